/** What a screen reader is told: a new note, once it has lasted. */

import { spoken, tuning } from './note.ts';
import type { Reading } from './note.ts';

/** A note that is shorter than this isn't said: saying it would take longer. */
const LASTS_MS = 600;
/** Between two announcements. */
const PAUSE_MS = 1_200;

export class Announcer {
  readonly #say: (text: string) => void;
  #said: number | null = null;
  #said_ms = Number.NEGATIVE_INFINITY;
  #note: number | null = null;
  #since_ms = 0;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** Takes in what the tuner shows. Says only another note than it said last, or the same after a silence. */
  show(reading: Reading | null, at_ms: number): void {
    const note = reading?.note.number ?? null;
    if (note !== this.#note) {
      this.#note = note;
      this.#since_ms = at_ms;
    }
    if (at_ms - this.#since_ms < LASTS_MS || note === this.#said) return;
    if (reading === null || note === null) {
      this.#said = null;
      return;
    }
    if (at_ms - this.#said_ms < PAUSE_MS) return;
    this.#said = note;
    this.#said_ms = at_ms;
    this.#say(`${spoken(note)}, ${tuning(reading.note.cents)}`);
  }
}
