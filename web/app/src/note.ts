/** Notes of frequencies, and where a tuner's needle stands. */

const NAMES = ['C', 'C♯', 'D', 'D♯', 'E', 'F', 'F♯', 'G', 'G♯', 'A', 'A♯', 'B'] as const;
const SPOKEN = ['C', 'C sharp', 'D', 'D sharp', 'E', 'F', 'F sharp', 'G', 'G sharp', 'A', 'A sharp', 'B'] as const;

export const A4_HZ = 440;
/** What orchestras and ensembles of old music tune to. */
export const A4_HZ_MIN = 390;
export const A4_HZ_MAX = 470;

/** As far from the note as a tuner calls in tune. */
export const IN_TUNE_CENTS = 5;

export interface Note {
  name: string;
  octave: number;
  /** −50 to 50, from the note to what is heard. */
  cents: number;
  /** The note's number, as MIDI counts. */
  number: number;
}

/** The number on the scale of half-tones, with what is between: 69 is the A of `a4_hz`. */
export function halftones(hz: number, a4_hz = A4_HZ): number {
  return 69 + 12 * Math.log2(hz / a4_hz);
}

/** The note that is nearest. */
export function noteOf(hz: number, a4_hz = A4_HZ): Note {
  const exact = halftones(hz, a4_hz);
  const number = Math.round(exact);
  return { ...named(number), cents: (exact - number) * 100, number };
}

function named(number: number): { name: string; octave: number } {
  return { name: NAMES[((number % 12) + 12) % 12] ?? '', octave: Math.floor(number / 12) - 1 };
}

/** `A4`. */
export function noteName(number: number): string {
  const { name, octave } = named(number);
  return `${name}${octave}`;
}

/** As a screen reader should say it: `C sharp 4`. */
export function spoken(number: number): string {
  return `${SPOKEN[((number % 12) + 12) % 12]} ${Math.floor(number / 12) - 1}`;
}

export type Tuning = 'flat' | 'in tune' | 'sharp';

export function tuning(cents: number): Tuning {
  if (Math.abs(cents) <= IN_TUNE_CENTS) return 'in tune';
  return cents < 0 ? 'flat' : 'sharp';
}

/** The dial: its centre is below it, and 50 cents are this far to the side. */
export const DIAL = { width: 320, height: 160, x: 160, y: 190, radius: 160, degrees: 45 };

/** A point of the dial, `inwards` from its rim. */
export function onDial(cents: number, inwards = 0): { x: number; y: number } {
  const held = Math.max(-50, Math.min(50, cents));
  const angle = (held / 50) * DIAL.degrees * (Math.PI / 180);
  const radius = DIAL.radius - inwards;
  return { x: DIAL.x + radius * Math.sin(angle), y: DIAL.y - radius * Math.cos(angle) };
}

/** The rim of the dial from one number of cents to another, as an SVG path. */
export function rim(from: number, to: number, inwards = 0): string {
  const [a, b] = [onDial(from, inwards), onDial(to, inwards)];
  const radius = DIAL.radius - inwards;
  const at = (point: { x: number; y: number }): string => `${point.x.toFixed(2)} ${point.y.toFixed(2)}`;
  return `M ${at(a)} A ${radius} ${radius} 0 0 1 ${at(b)}`;
}

/** What the needle stood at, for this long, when nothing is heard. */
const HOLD_MS = 400;
/** Estimates that must agree on another note before it is shown. */
const AGREE = 2;
/** Estimates less sure than this don't move the needle. */
export const CONFIDENCE_MIN = 0.5;

/** What a tuner shows. */
export interface Reading {
  note: Note;
  hz: number;
  confidence: number;
}

/**
 * Steadies estimates for the eye: a note changes when two estimates agree on it, the needle follows with a little inertia, and stays
 * where it was for a moment when nothing is heard.
 */
export class Steady {
  #shown: Reading | null = null;
  /** Half-tones with their fraction, smoothed. */
  #halftones = 0;
  #heard_ms = Number.NEGATIVE_INFINITY;
  #other = { number: Number.NaN, times: 0 };

  /** Takes in an estimate; says what is to be shown. */
  hear(hz: number | null, confidence: number, at_ms: number, a4_hz = A4_HZ): Reading | null {
    if (hz === null || !(hz > 0) || confidence < CONFIDENCE_MIN) {
      if (at_ms - this.#heard_ms > HOLD_MS) this.#shown = null;
      return this.#shown;
    }
    const exact = halftones(hz, a4_hz);
    const number = Math.round(exact);
    const held = this.#shown?.note.number;
    // Half a half-tone and a little more keeps the note from flickering at the border.
    if (held !== undefined && Math.abs(exact - held) > 0.55) {
      this.#other = { number, times: this.#other.number === number ? this.#other.times + 1 : 1 };
      if (this.#other.times < AGREE) return this.#shown;
    }
    const moved = held === undefined || Math.abs(exact - held) > 0.55;
    this.#other.times = 0;
    this.#halftones = moved ? exact : this.#halftones + 0.35 * (exact - this.#halftones);
    this.#heard_ms = at_ms;
    const shown_number = moved ? number : held;
    const cents = (this.#halftones - shown_number) * 100;
    const note = { ...named(shown_number), number: shown_number, cents };
    this.#shown = { note, hz: a4_hz * 2 ** ((this.#halftones - 69) / 12), confidence };
    return this.#shown;
  }

  clear(): void {
    this.#shown = null;
    this.#heard_ms = Number.NEGATIVE_INFINITY;
  }
}
