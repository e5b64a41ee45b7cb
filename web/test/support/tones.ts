/** Sounds for a fake microphone, and what is to be heard of them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readWav, type Sound } from './wav.js';

/** From `from_s` to `to_s` of the sound, `hz` is to be heard. */
export interface Expected {
  readonly name: string;
  readonly hz: number;
  readonly from_s: number;
  readonly to_s: number;
}

export interface Tune extends Sound {
  readonly expected: readonly Expected[];
}

/** Tones with a little silence between them, exact to the sample. */
export function sines(tones: readonly number[], tone_s: number, rateHz = 48_000): Tune {
  const frames = Math.round(tone_s * rateHz);
  const samples = new Float32Array(frames * tones.length);
  const expected = tones.map((hz, index): Expected => {
    const fade = rateHz / 50;
    for (let frame = 0; frame < frames; frame += 1) {
      const gain = Math.min(1, frame / fade, (frames - 1 - frame) / fade);
      samples[index * frames + frame] = 0.5 * gain * Math.sin((2 * Math.PI * hz * frame) / rateHz);
    }
    return { name: `${hz} Hz`, hz, from_s: index * tone_s, to_s: (index + 1) * tone_s };
  });
  return { rateHz, samples, expected };
}

/** The recordings that the test plays: of ten instruments, each with a pitch that stands. */
export const RECORDINGS = 10;

/** Recordings of the corpus, each repeated to fill its share of `length_s`. */
export async function recordings(corpus: string, length_s: number): Promise<Tune> {
  const rows = (await readFile(join(corpus, 'truth.csv'), 'utf8')).trim().split('\n').map((line) => line.split(','));
  const columns = rows[0]!;
  const at = (row: string[], column: string): string => row[columns.indexOf(column)] ?? '';
  const wavs = rows.slice(1).filter((row) => at(row, 'kind') === 'note' && at(row, 'file').endsWith('.wav'));
  // One of each instrument, at one rate, the longest first.
  const seconds = (row: string[]): number => Number(at(row, 't_end')) - Number(at(row, 't_start'));
  const instruments = new Map<string, string[]>();
  for (const row of wavs.filter((each) => at(each, 'sample_rate') === '44100').sort((a, b) => seconds(b) - seconds(a))) {
    if (!instruments.has(at(row, 'instrument'))) instruments.set(at(row, 'instrument'), row);
  }
  const chosen = [...instruments.values()].slice(0, RECORDINGS);
  const rest = wavs.filter((row) => at(row, 'sample_rate') === '44100' && !chosen.includes(row));
  while (chosen.length < RECORDINGS) chosen.push(rest[Math.floor((rest.length / RECORDINGS) * chosen.length)]!);
  const rateHz = 44_100;
  const share = Math.ceil((length_s / RECORDINGS) * rateHz);
  const samples = new Float32Array(share * RECORDINGS);
  const expected: Expected[] = [];
  for (const [index, row] of chosen.entries()) {
    const file = at(row, 'file');
    const sound = readWav(await readFile(join(corpus, file)));
    const whole = Math.min(sound.samples.length, Math.ceil((Number(at(row, 't_end')) + 0.1) * rateHz));
    for (let begin = index * share; begin + whole <= (index + 1) * share; begin += whole) {
      samples.set(sound.samples.subarray(0, whole), begin);
      const from_s = begin / rateHz + Number(at(row, 't_start'));
      const to_s = begin / rateHz + Number(at(row, 't_end'));
      expected.push({ name: file, hz: Number(at(row, 'f0_measured_hz')), from_s, to_s });
    }
  }
  return { rateHz, samples, expected };
}

/** A pitch that was heard. */
export interface Heard {
  readonly time_s: number;
  readonly hz: number | null;
}

/** What one tone came to. */
export interface Verdict {
  readonly name: string;
  readonly heard: number;
  readonly cents: number;
}

/** The cents from one frequency to another. */
export function cents(from: number, to: number): number {
  return 1200 * Math.log2(to / from);
}

const median = (numbers: number[]): number => numbers.sort((a, b) => a - b)[numbers.length >> 1] ?? NaN;

/**
 * Holds what was heard against what is to be heard. A microphone begins at its own time, so the shift at which most fits is looked
 * for first. `edge_s` at both ends of a tone is left out.
 */
export function judge(heard: readonly Heard[], expected: readonly Expected[], edge_s: number): { shift_s: number; verdicts: Verdict[] } {
  const voiced = heard.filter((each): each is Heard & { hz: number } => each.hz !== null);
  const within = (shift_s: number, tone: Expected): number[] =>
    voiced
      .filter(({ time_s }) => time_s - shift_s > tone.from_s + edge_s && time_s - shift_s < tone.to_s - edge_s)
      .map(({ hz }) => cents(tone.hz, hz));
  const fits = (shift_s: number): number =>
    expected.reduce((sum, tone) => sum + within(shift_s, tone).filter((off) => Math.abs(off) < 50).length, 0);
  let best = { shift_s: 0, fit: -1 };
  for (let shift_s = -3; shift_s <= 3; shift_s += 0.05) {
    const fit = fits(shift_s);
    if (fit > best.fit) best = { shift_s, fit };
  }
  const names = [...new Set(expected.map(({ name }) => name))];
  const verdicts = names.map((name): Verdict => {
    const all = expected.filter((tone) => tone.name === name).flatMap((tone) => within(best.shift_s, tone));
    return { name, heard: all.length, cents: median(all) };
  });
  return { shift_s: best.shift_s, verdicts };
}
