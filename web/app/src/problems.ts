/** What went wrong, as a person understands it: by the code of the package's errors, or of what a browser throws. */

import type { InputKind, Problem } from './source.ts';

/** The codes of the package `pcmflow`; anything else is `other`. */
export type Code = 'refused' | 'permission' | 'device' | 'decode' | 'load' | 'engine' | 'trap' | 'closed' | 'timeout' | 'other';

const WORDS: Record<Code, { what: string; advice: string; can_retry: boolean }> = {
  refused: {
    what: 'This browser or this page lacks something that is needed.',
    advice: 'See below what it is and what would help.',
    can_retry: false,
  },
  permission: {
    what: 'The microphone may not be used.',
    advice: 'Allow it in the browser, by the sign beside the address, and try again.',
    can_retry: true,
  },
  device: {
    what: 'No sound comes from the microphone.',
    advice: 'Plug one in, or close the program that holds it, and try again. A file or the melody works without.',
    can_retry: true,
  },
  decode: {
    what: 'This file can’t be played.',
    advice: 'Choose one that the browser knows: WAV, FLAC, MP3, AAC or Ogg.',
    can_retry: false,
  },
  load: {
    what: 'The engine could not be loaded.',
    advice: 'Look whether the network is there, and try again.',
    can_retry: true,
  },
  engine: { what: 'The engine refused to start.', advice: 'Its reason stands below.', can_retry: true },
  trap: {
    what: 'The engine broke, and stopped.',
    advice: 'Start it again: a new one is built. Please report what stands below.',
    can_retry: true,
  },
  closed: { what: 'The engine was closed.', advice: 'Start it again.', can_retry: true },
  timeout: { what: 'The engine does not answer.', advice: 'This device may be very busy. Try again.', can_retry: true },
  other: { what: 'It could not be started.', advice: 'Try again.', can_retry: true },
};

function codeOf(thrown: unknown): Code {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown) {
    const code = String(thrown.code);
    if (code in WORDS) return code as Code;
  }
  return 'other';
}

/** The problem that something thrown makes for somebody who wanted to start this. */
export function problemOf(thrown: unknown, input: InputKind): Problem {
  const code = codeOf(thrown);
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  const words = WORDS[code];
  if (code !== 'other') return { ...words, detail };
  const what = { microphone: 'The microphone', file: 'The file', melody: 'The melody' }[input];
  return { ...words, what: `${what} could not be started.`, detail };
}
