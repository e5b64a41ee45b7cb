/** The synthetic source: a melody as samples, the same each time. */

/** A tone of the melody; 0 Hz is a rest. */
export interface Tone {
  readonly hz: number;
  readonly ms: number;
}

const note = (midi: number, ms: number): Tone => ({ hz: 440 * 2 ** ((midi - 69) / 12), ms });

/** A scale up and an arpeggio down, from C4: eleven seconds in which every tone is long enough to tune to. */
export const MELODY: readonly Tone[] = [
  ...[60, 62, 64, 65, 67, 69, 71, 72].map((midi) => note(midi, 800)),
  { hz: 0, ms: 400 },
  ...[72, 67, 64, 60].map((midi) => note(midi, 900)),
  { hz: 0, ms: 600 },
];

/** Its partials' strengths: near a soft flute. */
const PARTIALS = [0.5, 0.12, 0.06, 0.03];

/** The time in which a tone comes and goes, so that nothing clicks. */
const FADE_MS = 15;

/** Renders tones as one channel. A partial above half the rate is left out. */
export function renderTones(tones: readonly Tone[], rateHz: number): Float32Array<ArrayBuffer> {
  const frames = tones.map(({ ms }) => Math.round((ms / 1000) * rateHz));
  const samples = new Float32Array(frames.reduce((sum, count) => sum + count, 0));
  let at = 0;
  tones.forEach(({ hz }, index) => {
    const count = frames[index]!;
    if (hz > 0) renderTone(samples.subarray(at, at + count), hz, rateHz);
    at += count;
  });
  return samples;
}

function renderTone(target: Float32Array, hz: number, rateHz: number): void {
  const fade = Math.max(1, Math.round((FADE_MS / 1000) * rateHz));
  const last = target.length - 1;
  for (let partial = 1; partial <= PARTIALS.length && partial * hz < rateHz / 2; partial += 1) {
    const strength = PARTIALS[partial - 1]!;
    const step = (2 * Math.PI * partial * hz) / rateHz;
    for (let frame = 0; frame <= last; frame += 1) target[frame]! += strength * Math.sin(step * frame);
  }
  for (let frame = 0; frame < fade && frame <= last; frame += 1) {
    target[frame]! *= frame / fade;
    target[last - frame]! *= frame / fade;
  }
}
