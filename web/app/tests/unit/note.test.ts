import { describe, expect, it } from 'vitest';
import { DIAL, Steady, noteName, noteOf, onDial, rim, spoken, tuning } from '../../src/note.ts';

describe('notes', () => {
  it.each([
    [440, 440, 'A', 4, 0],
    [261.6256, 440, 'C', 4, 0],
    [246.9417, 440, 'B', 3, 0],
    [27.5, 440, 'A', 0, 0],
    [16.3516, 440, 'C', 0, 0],
    [442, 440, 'A', 4, 7.85],
    [442, 442, 'A', 4, 0],
    [415.3, 415.3, 'A', 4, 0],
    [415.3, 440, 'G♯', 4, 0],
  ])('%d Hz at A4 = %d Hz is %s%d and %d cents', (hz, a4_hz, name, octave, cents) => {
    const note = noteOf(hz, a4_hz);
    expect([note.name, note.octave]).toEqual([name, octave]);
    expect(note.cents).toBeCloseTo(cents, 1);
  });

  it('is never more than half a half-tone away', () => {
    for (let hz = 20; hz < 5_000; hz *= 1.01) expect(Math.abs(noteOf(hz).cents)).toBeLessThanOrEqual(50);
  });

  it('has names for eyes and ears', () => {
    expect(noteName(61)).toBe('C♯4');
    expect(spoken(61)).toBe('C sharp 4');
    expect(noteName(0)).toBe('C-1');
  });

  it('calls in tune what is, to five cents', () => {
    expect([-5.1, -5, 0, 5, 5.1].map(tuning)).toEqual(['flat', 'in tune', 'in tune', 'in tune', 'sharp']);
  });
});

describe('the dial', () => {
  it('points up in the middle, and leans to the side of the error', () => {
    expect(onDial(0).x).toBeCloseTo(DIAL.x);
    expect(onDial(-20).x).toBeLessThan(DIAL.x);
    expect(onDial(20).x).toBeGreaterThan(DIAL.x);
    expect(onDial(20).y).toBeCloseTo(onDial(-20).y);
  });

  it('keeps every point on its circle, and the needle on the dial', () => {
    for (const cents of [-50, -12, 0, 33, 50]) {
      const { x, y } = onDial(cents, 10);
      expect(Math.hypot(x - DIAL.x, y - DIAL.y)).toBeCloseTo(DIAL.radius - 10);
    }
    expect(onDial(400)).toEqual(onDial(50));
    for (const cents of [-50, 50]) {
      const { x, y } = onDial(cents);
      expect(x).toBeGreaterThan(0);
      expect(x).toBeLessThan(DIAL.width);
      expect(y).toBeLessThan(DIAL.height);
    }
  });

  it('has a rim from one end to the other', () => {
    const [from, to] = [onDial(-50), onDial(50)];
    expect(rim(-50, 50)).toBe(
      `M ${from.x.toFixed(2)} ${from.y.toFixed(2)} A 160 160 0 0 1 ${to.x.toFixed(2)} ${to.y.toFixed(2)}`,
    );
  });
});

describe('steadying', () => {
  it('shows the first note at once, another when two agree on it', () => {
    const steady = new Steady();
    expect(steady.hear(440, 1, 0)?.note.name).toBe('A');
    expect(steady.hear(880, 1, 20)?.note.octave).toBe(4);
    expect(steady.hear(440, 1, 40)?.note.octave).toBe(4);
    expect(steady.hear(494, 1, 60)?.note.name).toBe('A');
    const reading = steady.hear(494, 1, 80);
    expect(reading?.note.name).toBe('B');
    expect(reading?.hz).toBeCloseTo(494);
  });

  it('does not flicker between two notes at their border', () => {
    const steady = new Steady();
    const border = 440 * 2 ** (0.5 / 12);
    steady.hear(440, 1, 0);
    const shown = [1.0005, 0.9995, 1.0005, 0.9995, 1.0005].map((by, at) => steady.hear(border * by, 1, at)?.note.name);
    expect(new Set(shown)).toEqual(new Set(['A']));
  });

  it('follows a bend, and arrives at it', () => {
    const steady = new Steady();
    let reading = steady.hear(440, 1, 0);
    for (let at = 1; at < 20; at += 1) reading = steady.hear(445, 1, at * 20);
    expect(reading?.note.cents).toBeCloseTo(noteOf(445).cents, 0);
  });

  it('holds for a moment in silence or doubt, and then lets go', () => {
    const steady = new Steady();
    steady.hear(440, 1, 0);
    expect(steady.hear(null, 0, 200)?.note.name).toBe('A');
    expect(steady.hear(300, 0.2, 300)?.note.name).toBe('A');
    expect(steady.hear(null, 0, 500)).toBeNull();
    expect(new Steady().hear(0, 1, 0)).toBeNull();
    expect(new Steady().hear(Number.NaN, 1, 0)).toBeNull();
  });
});
