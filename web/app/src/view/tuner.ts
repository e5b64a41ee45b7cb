/** The tuner: note, needle, frequency, confidence, and the trace of the last seconds. */

import { el, say, set, svg } from '../dom.ts';
import { hertz, signed } from '../format.ts';
import { History, range } from '../history.ts';
import { A4_HZ, A4_HZ_MAX, A4_HZ_MIN, CONFIDENCE_MIN, DIAL, IN_TUNE_CENTS, Steady, halftones, noteName, onDial, rim, tuning } from '../note.ts';
import type { Reading } from '../note.ts';
import type { Pitch } from '../source.ts';

/** Estimates of a trace: about ten seconds at a block of 1024 frames. */
const TRACE = 470;
const STORED = 'pcmflow.a4_hz';

export class TunerView {
  readonly element: HTMLElement;
  #a4_hz = A4_HZ;
  #reading: Reading | null = null;
  #dirty = true;
  readonly #steady = new Steady();
  /** Hertz of each estimate; null where none was sure. */
  readonly #trace = new History(1, TRACE);
  readonly #note = el('span', { class: 'note-name' }, '–');
  readonly #octave = el('span', { class: 'note-octave' });
  readonly #verdict = el('span', { class: 'verdict' }, 'nothing heard');
  readonly #hertz = el('output', { class: 'figure' }, '–');
  readonly #cents = el('output', { class: 'figure' }, '–');
  readonly #confidence = el('meter', { min: 0, max: 1, low: CONFIDENCE_MIN, optimum: 1, 'aria-label': 'Confidence' });
  readonly #confidence_text = el('output', { class: 'figure' }, '–');
  readonly #needle = svg('line', { class: 'needle' });
  readonly #canvas = el('canvas', { role: 'img', 'aria-label': 'Pitch of the last ten seconds' });

  constructor() {
    this.#a4_hz = stored();
    const a4 = el('input', {
      id: 'a4', type: 'number', min: A4_HZ_MIN, max: A4_HZ_MAX, step: 0.5, value: this.#a4_hz, inputmode: 'decimal',
    });
    a4.addEventListener('change', () => this.#tune(a4));
    this.element = el(
      'section',
      { class: 'card tuner', 'aria-labelledby': 'tuner-title' },
      el('h2', { id: 'tuner-title', class: 'unseen' }, 'Tuner'),
      el(
        'div',
        { class: 'dial' },
        this.#dial(),
        el('p', { class: 'note' }, this.#note, this.#octave),
        this.#verdict,
      ),
      el(
        'dl',
        { class: 'figures' },
        el('div', {}, el('dt', {}, 'Hz'), el('dd', {}, this.#hertz)),
        el('div', {}, el('dt', {}, 'Cents'), el('dd', {}, this.#cents)),
        el('div', {}, el('dt', {}, 'Confidence'), el('dd', {}, this.#confidence_text, this.#confidence)),
        el('div', {}, el('dt', {}, el('label', { for: 'a4' }, 'A4 (Hz)')), el('dd', {}, a4)),
      ),
      el('div', { class: 'trace' }, this.#canvas),
    );
    new ResizeObserver(() => {
      this.#dirty = true;
    }).observe(this.#canvas);
    set(this.element, 'data-tuning', 'none');
    this.#point(0);
  }

  /** What is shown now. */
  get reading(): Reading | null {
    return this.#reading;
  }

  hear(pitch: Pitch): void {
    const sure = pitch.hz !== null && pitch.confidence >= CONFIDENCE_MIN;
    this.#trace.push(sure ? pitch.hz : null);
    this.#reading = this.#steady.hear(pitch.hz, pitch.confidence, pitch.at_ms, this.#a4_hz);
    this.#dirty = true;
  }

  /** Nothing is heard any more; the trace stays to be looked at. */
  rest(): void {
    this.#steady.clear();
    this.#reading = null;
    this.#dirty = true;
  }

  clear(): void {
    this.#trace.clear();
    this.rest();
  }

  /** Draws what came since it was drawn last. */
  draw(): void {
    if (!this.#dirty) return;
    this.#dirty = false;
    const reading = this.#reading;
    say(this.#note, reading ? reading.note.name : '–');
    say(this.#octave, reading ? String(reading.note.octave) : '');
    say(this.#hertz, reading ? hertz(reading.hz) : '–');
    say(this.#cents, reading ? signed(reading.note.cents) : '–');
    say(this.#verdict, reading ? tuning(reading.note.cents) : 'nothing heard');
    say(this.#confidence_text, reading ? `${Math.round(reading.confidence * 100)} %` : '–');
    this.#confidence.value = reading?.confidence ?? 0;
    set(this.element, 'data-tuning', reading ? tuning(reading.note.cents).replace(' ', '-') : 'none');
    this.#point(reading?.note.cents ?? 0);
    this.#draw_trace();
  }

  #tune(input: HTMLInputElement): void {
    const hz = input.valueAsNumber;
    if (hz >= A4_HZ_MIN && hz <= A4_HZ_MAX) {
      this.#a4_hz = hz;
      this.#steady.clear();
      keep(hz);
    }
    input.value = String(this.#a4_hz);
    this.#dirty = true;
  }

  #dial(): SVGSVGElement {
    const ticks = [];
    for (let cents = -50; cents <= 50; cents += 5) {
      const [outer, inner] = [onDial(cents), onDial(cents, cents % 25 === 0 ? 14 : 8)];
      ticks.push(svg('line', { class: 'tick', x1: outer.x, y1: outer.y, x2: inner.x, y2: inner.y }));
    }
    const labels = [-50, -25, 0, 25, 50].map((cents) => {
      const { x, y } = onDial(cents, 26);
      return svg('text', { class: 'tick-label', x, y, 'text-anchor': 'middle' }, document.createTextNode(signed(cents, 0)));
    });
    return svg(
      'svg',
      { viewBox: `0 0 ${DIAL.width} ${DIAL.height}`, 'aria-hidden': 'true' },
      svg('path', { class: 'rim', d: rim(-50, 50) }),
      svg('path', { class: 'rim-good', d: rim(-IN_TUNE_CENTS, IN_TUNE_CENTS) }),
      ...ticks,
      ...labels,
      this.#needle,
    );
  }

  #point(cents: number): void {
    const [tip, foot] = [onDial(cents, 2), onDial(cents, 62)];
    for (const [name, value] of Object.entries({ x1: foot.x, y1: foot.y, x2: tip.x, y2: tip.y })) {
      set(this.#needle, name, value.toFixed(2));
    }
  }

  #draw_trace(): void {
    const box = this.#canvas.getBoundingClientRect();
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
    if (width === 0 || height === 0) return;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    const context = this.#canvas.getContext('2d');
    if (!context) return;
    const style = getComputedStyle(this.#canvas);
    const colour = (name: string): string => style.getPropertyValue(name);
    const notes = (this.#trace.columns()[0] ?? []).map((hz) => (hz === null ? null : halftones(hz, this.#a4_hz)));
    const { from, to } = range(notes);
    const left = 34 * scale;
    const y = (note: number): number => height - ((note - from) / (to - from)) * height;
    const x = (index: number): number => left + ((TRACE - notes.length + index) / (TRACE - 1)) * (width - left);
    context.clearRect(0, 0, width, height);
    context.font = `${11 * scale}px system-ui, sans-serif`;
    context.lineWidth = scale;
    const every = to - from > 24 ? 12 : to - from > 14 ? 4 : 2;
    for (let note = Math.ceil(from); note <= to; note += 1) {
      if (note % every !== 0) continue;
      context.strokeStyle = colour('--line');
      context.fillStyle = colour('--quiet');
      context.beginPath();
      context.moveTo(left, y(note));
      context.lineTo(width, y(note));
      context.stroke();
      const above = Math.min(height - 2 * scale, Math.max(10 * scale, y(note) + 4 * scale));
      context.fillText(noteName(note), 2 * scale, above);
    }
    context.strokeStyle = colour('--accent');
    context.lineWidth = 2 * scale;
    context.lineCap = 'round';
    context.beginPath();
    let drawing = false;
    notes.forEach((note, index) => {
      const before = index > 0 ? (notes[index - 1] ?? null) : null;
      if (note === null) drawing = false;
      else if (drawing && before !== null && Math.abs(before - note) < 0.8) context.lineTo(x(index), y(note));
      else {
        context.moveTo(x(index), y(note));
        context.lineTo(x(index) + 0.01, y(note));
        drawing = true;
      }
    });
    context.stroke();
    const { least, most } = named(notes);
    const label = least === null ? 'Pitch of the last ten seconds: nothing heard' : `Pitch of the last ten seconds: ${least} to ${most}`;
    set(this.#canvas, 'aria-label', label);
  }
}

function named(notes: (number | null)[]): { least: string | null; most: string | null } {
  const known = notes.filter((note) => note !== null);
  if (known.length === 0) return { least: null, most: null };
  return { least: noteName(Math.round(Math.min(...known))), most: noteName(Math.round(Math.max(...known))) };
}

function stored(): number {
  try {
    const hz = Number(localStorage.getItem(STORED));
    return hz >= A4_HZ_MIN && hz <= A4_HZ_MAX ? hz : A4_HZ;
  } catch {
    return A4_HZ;
  }
}

/** Where nothing may be stored, the reference lasts as long as the page. */
function keep(hz: number): void {
  try {
    localStorage.setItem(STORED, String(hz));
  } catch {
    return;
  }
}
