/** The level: RMS as a bar, the peak held for a moment, and whether anything was clipped. */

import { el, say, set } from '../dom.ts';
import { count, decibels } from '../format.ts';
import type { Level } from '../source.ts';

/** What the bar begins at. */
const FLOOR_DB = -60;
const PEAK_HELD_MS = 1_500;

/** From the floor to full scale, 0 to 1. */
export function onScale(level: number): number {
  if (!(level > 0)) return 0;
  return Math.min(1, Math.max(0, 1 - (20 * Math.log10(level)) / FLOOR_DB));
}

export class LevelView {
  readonly element: HTMLElement;
  #level: Level | null = null;
  #peak = { value: 0, at_ms: Number.NEGATIVE_INFINITY };
  #clipped = 0;
  #dirty = true;
  readonly #bar = el('div', { class: 'level-rms' });
  readonly #mark = el('div', { class: 'level-peak' });
  readonly #scale = el(
    'div',
    { class: 'level', role: 'meter', 'aria-label': 'Level', 'aria-valuemin': FLOOR_DB, 'aria-valuemax': 0 },
    this.#bar,
    this.#mark,
  );
  readonly #figures = el('span', { class: 'figure' });
  readonly #clip = el('span', { class: 'clip' });

  constructor() {
    this.element = el(
      'section',
      { class: 'card level-card', 'aria-labelledby': 'level-title' },
      el('h2', { id: 'level-title' }, 'Level'),
      this.#scale,
      el('p', { class: 'level-figures' }, this.#figures, this.#clip),
    );
  }

  hear(level: Level): void {
    this.#level = level;
    this.#clipped += level.clipped;
    if (level.peak >= this.#peak.value || level.at_ms - this.#peak.at_ms > PEAK_HELD_MS) {
      this.#peak = { value: level.peak, at_ms: level.at_ms };
    }
    this.#dirty = true;
  }

  /** Nothing is heard any more; what was clipped stays to be seen. */
  rest(): void {
    this.#level = null;
    this.#peak = { value: 0, at_ms: Number.NEGATIVE_INFINITY };
    this.#dirty = true;
  }

  clear(): void {
    this.#clipped = 0;
    this.rest();
  }

  draw(): void {
    if (!this.#dirty) return;
    this.#dirty = false;
    const rms = this.#level?.rms ?? 0;
    this.#bar.style.setProperty('--at', String(onScale(rms)));
    this.#mark.style.setProperty('--at', String(onScale(this.#peak.value)));
    const db = rms > 0 ? Math.max(FLOOR_DB, 20 * Math.log10(rms)) : FLOOR_DB;
    set(this.#scale, 'aria-valuenow', Math.round(Math.min(0, db)));
    set(this.#scale, 'aria-valuetext', `${decibels(rms)} decibels`);
    say(this.#figures, `RMS ${decibels(rms)} dB, peak ${decibels(this.#peak.value)} dB`);
    say(this.#clip, this.#clipped > 0 ? `${count(this.#clipped)} samples clipped` : '');
  }
}
