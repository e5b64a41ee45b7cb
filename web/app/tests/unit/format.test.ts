import { describe, expect, it } from 'vitest';
import { bytes, count, counted, decibels, hertz, milliseconds, percent, signed, timecode } from '../../src/format.ts';

describe('numbers as people read them', () => {
  it('gives frequencies the decimals that a tuner needs', () => {
    expect(hertz(440)).toBe('440.00');
    expect(hertz(1174.659)).toBe('1174.7');
  });

  it('shows a sign, and none before what rounds to zero', () => {
    expect(signed(3.21)).toBe('+3.2');
    expect(signed(-3.21)).toBe('−3.2');
    expect(signed(-0.04)).toBe('0.0');
    expect(signed(50, 0)).toBe('+50');
  });

  it('knows silence', () => {
    expect(decibels(1)).toBe('0.0');
    expect(decibels(0.5)).toBe('−6.0');
    expect(decibels(0)).toBe('−∞');
    expect(decibels(Number.NaN)).toBe('−∞');
  });

  it('says 100 % only of all', () => {
    expect(percent(1_000_000)).toBe('100 %');
    expect(percent(999_999)).toBe('99.9 %');
    expect(percent(500_000)).toBe('50 %');
    expect(percent(1_500)).toBe('0.1 %');
    expect(percent(0)).toBe('0.0 %');
  });

  it('tells durations and sizes', () => {
    expect(milliseconds(1_234_567)).toBe('1.23 ms');
    expect(milliseconds(12_345_678)).toBe('12.3 ms');
    expect(milliseconds(123_456_789)).toBe('123 ms');
    expect(bytes(512)).toBe('512 B');
    expect(bytes(52_428_800)).toBe('50.0 MiB');
  });

  it('parts thousands and counts in words', () => {
    expect(count(1_234_567)).toBe('1\u202f234\u202f567');
    expect(count(999)).toBe('999');
    expect(counted(1, 'frame')).toBe('1 frame');
    expect(counted(0, 'frame')).toBe('0 frames');
  });

  it('makes times of positions, and never a later one', () => {
    expect(timecode(83_456 * 48, 48_000)).toBe('01:23.456');
    expect(timecode(83_456 * 48 - 1, 48_000)).toBe('01:23.455');
    expect(timecode(0, 44_100)).toBe('00:00.000');
    expect(timecode(48_000 * 3_725, 48_000)).toBe('01:02:05.000');
    expect(timecode(44_100 * 3_599 + 44_099, 44_100)).toBe('59:59.999');
  });
});
