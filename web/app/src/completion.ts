/**
 * What a console line that somebody is typing could become.
 *
 * The words are the engine's own: they come from its answer to `help`, the keys and values from its answers to `config`, the names
 * from its snapshot.
 */

import type { Setting } from './settings.ts';
import type { Answer } from './source.ts';

/** Words, and what follows them. */
export interface Usage {
  path: string[];
  arguments: string[];
}

/** Reads the answer to `help`. What is written in capitals stands for something else. */
export function usages(help: Answer): Usage[] {
  return (help.rows ?? []).map((row) => {
    const words = String(row.words ?? '').split(' ');
    const first = words.findIndex((word) => /^[A-Z]+$/.test(word));
    const end = first < 0 ? words.length : first;
    return { path: words.slice(0, end), arguments: words.slice(end) };
  });
}

/** What arguments can be. */
export interface Vocabulary {
  usages: Usage[];
  settings: Setting[];
  /** Inputs and pipelines, by the word that asks for one. */
  names: Record<string, string[]>;
}

/** The lines that `typed` could become with its last word completed, in alphabetical order. */
export function complete(typed: string, vocabulary: Vocabulary): string[] {
  const words = typed.split(/\s+/).filter((word) => word !== '');
  const partial = typed === '' || /\s$/.test(typed) ? '' : (words.pop() ?? '');
  const candidates = new Set<string>();
  for (const usage of vocabulary.usages) {
    const next = usage.path[words.length];
    if (next !== undefined) {
      if (words.every((word, index) => word === usage.path[index])) candidates.add(next);
      continue;
    }
    if (!usage.path.every((word, index) => word === words[index])) continue;
    const given = words.slice(usage.path.length);
    for (const word of fitting(usage, given, vocabulary)) candidates.add(word);
  }
  const fits = [...candidates].filter((candidate) => candidate.startsWith(partial) && candidate !== partial);
  return fits.sort().map((candidate) => [...words, candidate].join(' '));
}

/** What could stand in place of the argument behind those that are given. */
function fitting(usage: Usage, given: string[], vocabulary: Vocabulary): string[] {
  switch (usage.arguments[given.length]) {
    case 'WORD':
      return vocabulary.usages.map((other) => other.path[0] ?? '');
    case 'KEY':
      return vocabulary.settings
        .filter((setting) => usage.arguments[given.length + 1] !== 'VALUE' || setting.live)
        .map((setting) => setting.key);
    case 'NAME':
      return vocabulary.names[usage.path[0] ?? ''] ?? [];
    case 'VALUE': {
      const allowed = vocabulary.settings.find((setting) => setting.key === given[0])?.allowed;
      if (allowed?.kind === 'word') return allowed.words;
      return allowed?.kind === 'switch' ? ['false', 'true'] : [];
    }
    default:
      return [];
  }
}

/** The longest beginning that all have in common. */
export function common(lines: string[]): string {
  const first = lines[0] ?? '';
  let length = first.length;
  for (const line of lines) {
    while (!line.startsWith(first.slice(0, length))) length -= 1;
  }
  return first.slice(0, length);
}
