import { describe, expect, it } from 'vitest';
import { MELODY, renderTones } from '../../src/melody.js';

/** Upward zero crossings per second of the middle of a tone, by interpolation. */
function frequency(samples: Float32Array, rateHz: number): number {
  const crossings: number[] = [];
  for (let at = 1; at < samples.length; at += 1) {
    const [before, after] = [samples[at - 1]!, samples[at]!];
    if (before < 0 && after >= 0) crossings.push(at - 1 + before / (before - after));
  }
  return ((crossings.length - 1) * rateHz) / (crossings.at(-1)! - crossings[0]!);
}

describe('the melody', () => {
  it.each([44_100, 48_000, 192_000])('has the tones that it says at %i Hz', (rateHz) => {
    const samples = renderTones(MELODY, rateHz);
    let at = 0;
    for (const { hz, ms } of MELODY) {
      const length = Math.round((ms / 1000) * rateHz);
      const tone = samples.subarray(at + length / 4, at + (length * 3) / 4);
      if (hz === 0) expect(tone.every((sample) => sample === 0)).toBe(true);
      else expect(Math.abs(1200 * Math.log2(frequency(tone, rateHz) / hz))).toBeLessThan(1);
      at += length;
    }
    expect(samples.length).toBe(at);
    expect(samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0)).toBeLessThan(1);
  });

  it('leaves out partials that the rate has no room for', () => {
    const rateHz = 3000;
    const samples = renderTones([{ hz: 1000, ms: 500 }], rateHz);
    expect(frequency(samples.subarray(300, 1200), rateHz)).toBeCloseTo(1000, 0);
  });

  it('begins and ends each tone in silence', () => {
    const samples = renderTones([{ hz: 440, ms: 100 }], 48_000);
    for (const sample of [samples[0]!, samples.at(-1)!]) expect(Math.abs(sample)).toBe(0);
  });
});
