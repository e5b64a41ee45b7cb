/** The keys of the configuration, as the engine's console tells them, and what a person may do to them. */

import type { Answer, Cell } from './source.ts';

/** What a key allows. */
export type Allowed =
  | { kind: 'number'; min: number; max: number }
  | { kind: 'switch' }
  | { kind: 'word'; words: string[] }
  /** Anything that the engine takes. */
  | { kind: 'text' };

export interface Setting {
  /** `section.key`. */
  key: string;
  value: Cell;
  /** Where the value comes from. */
  from: string;
  allowed: Allowed;
  /** What it allows, in the engine's words. */
  allowed_text: string;
  /** Whether it may change while audio runs. */
  live: boolean;
  meaning: string;
}

/** Reads what `config get` says is allowed. */
export function allowed(text: string): Allowed {
  if (text === 'true or false') return { kind: 'switch' };
  const number = /^(\d+) to (\d+)$/.exec(text);
  if (number) return { kind: 'number', min: Number(number[1]), max: Number(number[2]) };
  const words = text.split(', ');
  if (words.every((word) => /^[a-z0-9_-]+$/.test(word))) return { kind: 'word', words };
  return { kind: 'text' };
}

/** The setting that an answer to `config get KEY` tells; none where it refuses. */
export function setting(answer: Answer): Setting | null {
  const row = answer.ok ? answer.rows?.[0] : undefined;
  if (!row || typeof row.key !== 'string') return null;
  const allowed_text = String(row.allowed ?? '');
  return {
    key: row.key,
    value: row.value ?? null,
    from: String(row.from ?? ''),
    allowed: allowed(allowed_text),
    allowed_text,
    live: row.live === true,
    meaning: String(row.meaning ?? ''),
  };
}

/** Asks for every key there is. */
export async function readSettings(command: (line: string) => Promise<Answer>): Promise<Setting[]> {
  const shown = await command('config show');
  const keys = (shown.rows ?? []).map((row) => row.key).filter((key) => typeof key === 'string');
  const answers = await Promise.all(keys.map((key) => command(`config get ${key}`)));
  return answers.map(setting).filter((found) => found !== null);
}

/** The last part of a key, in words. */
export function label(key: string): string {
  const name = key.split('.').pop() ?? key;
  return name.replace(/_/g, ' ').replace(/ (ms|hz|ppm)\b/i, (_, unit: string) => ` (${unit})`);
}
