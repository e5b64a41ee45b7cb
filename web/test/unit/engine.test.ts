/** The real engine, both builds, in Node, on a stepped clock. */
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.js';
import type { EngineReport, PitchEvent } from '../../src/events.js';
import type { Mode } from '../../src/modes.js';
import type { StreamFormat, StreamPlace } from '../../src/protocol.js';
import { compiled, engineOf, wasmOf } from '../support/wasm.js';
import { cents } from '../support/tones.js';
import { trapping } from '../support/trapping.js';
import { Engine as EngineClass } from '../../src/engine.js';

/** Pushes a sound by quanta in audio time, and polls after each. */
class Player {
  readonly reports: EngineReport[] = [];
  frames = 0;
  accepted = 0;
  #place: StreamPlace;

  constructor(
    readonly engine: Engine,
    readonly format: StreamFormat,
    /** The time of the first frame, by both clocks. */
    readonly beginMs = 0,
  ) {
    this.#place = engine.stream(format);
  }

  play(seconds: number, sample: (time_s: number, channel: number) => number): void {
    const { quantum, rate_hz, channels } = this.format;
    const end = this.frames + Math.round(seconds * rate_hz);
    while (this.frames < end) {
      const now = Math.min(quantum, end - this.frames);
      for (let channel = 0; channel < channels; channel += 1) {
        const plane = this.engine.bridge.f32(this.#place.channels[channel]!, quantum);
        for (let frame = 0; frame < now; frame += 1) plane[frame] = sample((this.frames + frame) / rate_hz, channel);
      }
      this.accepted += this.engine.push(this.#place.capture, now, this.#ms());
      this.frames += now;
      this.poll();
    }
  }

  /** Time goes on and no quantum comes. */
  skip(frames: number): void {
    this.frames += frames;
  }

  poll(): void {
    this.engine.poll(this.#ms());
    this.reports.push(...this.engine.events());
  }

  get pitches(): PitchEvent[] {
    return this.reports.filter((report) => report.type === 'pitch');
  }

  #ms(): number {
    return this.beginMs + (this.frames / this.format.rate_hz) * 1000;
  }
}

const tone = (hz: number, gain = 0.5) => (time_s: number): number => gain * Math.sin(2 * Math.PI * hz * time_s);

async function opened(mode: Mode, config = {}): Promise<Engine> {
  const engine = await engineOf(mode);
  engine.open(config, 0);
  return engine;
}

describe.each(['shared', 'plain'] as const)('the %s build', (mode) => {
  it.each([
    { rate_hz: 48_000, channels: 1, quantum: 128 },
    { rate_hz: 44_100, channels: 2, quantum: 128 },
    { rate_hz: 48_000, channels: 1, quantum: 1024 },
    { rate_hz: 192_000, channels: 1, quantum: 512 },
  ])('hears 440 Hz at $rate_hz Hz, $channels channels, by quanta of $quantum, and its books balance', async (format) => {
    const engine = await opened(mode);
    const player = new Player(engine, format);
    player.play(2, tone(440));
    const snapshot = engine.snapshot();
    expect(snapshot.ledger.settled_unaccounted).toBe(0);
    const books = engine.close();
    const settled = player.pitches.filter(({ time_s }) => time_s > 0.3);
    expect(settled.length).toBeGreaterThan(30);
    for (const { hz, note } of settled) {
      expect(note).toBe('A4');
      expect(Math.abs(cents(440, hz!))).toBeLessThan(1);
    }
    expect(player.accepted).toBe(player.frames);
    for (const sink of ['pitch', 'level']) {
      expect(books.sinks[sink]).toMatchObject({ frames_in: player.frames, delivered: player.frames, in_flight: 0, unaccounted: 0 });
    }
    expect(books).toMatchObject({ unaccounted: 0, is_over: true });
  });

  it('counts quanta that never came as lost, and tells of the gap', async () => {
    const engine = await opened(mode);
    const player = new Player(engine, { rate_hz: 48_000, channels: 1, quantum: 128 });
    player.play(0.5, tone(440));
    player.skip(1280);
    player.play(0.5, tone(440));
    player.poll();
    const books = engine.close();
    expect(books.sinks['pitch']).toMatchObject({ frames_in: 48_000 + 1280, delivered: 48_000, unaccounted: 0, dropped: { device: 1280 } });
    const gaps = player.reports.filter((report) => report.type === 'event' && report.name === 'gap_opened');
    expect(gaps.length).toBeGreaterThan(0);
  });

  it('goes on with the next stream after one has ended', async () => {
    const engine = await opened(mode);
    const first = new Player(engine, { rate_hz: 48_000, channels: 1, quantum: 128 });
    first.play(0.5, tone(440));
    engine.streamEnd();
    engine.poll(3000);
    const second = new Player(engine, { rate_hz: 44_100, channels: 1, quantum: 128 }, 3000);
    second.play(1, tone(330));
    const books = engine.close();
    expect(Math.abs(cents(330, second.pitches.at(-1)!.hz!))).toBeLessThan(1);
    expect(books).toMatchObject({ unaccounted: 0, is_over: true });
    expect(books.sinks['pitch']!.delivered).toBe(first.frames + second.frames);
  });

  it('survives samples that are none', async () => {
    const engine = await opened(mode);
    const player = new Player(engine, { rate_hz: 48_000, channels: 1, quantum: 128 });
    const wild = [NaN, Infinity, -Infinity, 1e30, -1e30, 1e-40];
    let n = 0;
    player.play(0.5, () => wild[n++ % wild.length]!);
    player.play(1, tone(440));
    const books = engine.close();
    expect(cents(440, player.pitches.at(-1)!.hz!)).toBeCloseTo(0, 0);
    const levels = player.reports.filter((report) => report.type === 'level');
    expect(levels.reduce((sum, { non_finite }) => sum + non_finite, 0)).toBe(12_000);
    expect(books).toMatchObject({ unaccounted: 0, is_over: true });
  });

  it('answers the console, and changes what may change', async () => {
    const engine = await opened(mode);
    new Player(engine, { rate_hz: 48_000, channels: 1, quantum: 128 }).play(0.2, tone(440));
    expect(engine.command('buffer-status', false)).toMatchObject({ ok: true, text: expect.stringContaining('pitch') });
    expect(engine.command('buffer-status', true)).toMatchObject({ ok: true, answer: expect.any(Object) });
    expect(engine.command('bufer-status', false)).toMatchObject({ ok: false, text: expect.stringContaining('buffer-status') });
    expect(engine.config({ 'metrics.sample_ms': 40 })).toMatchObject({ metrics: { sample_ms: 40 } });
    expect(() => engine.config({ 'metrics.sample_ms': 0 })).toThrow(/sample_ms/);
    expect(engine.config({})).toMatchObject({ metrics: { sample_ms: 40 } });
    expect(() => engine.command('x'.repeat(1 << 24), false)).toThrow(/too long/);
    expect(engine.close()).toMatchObject({ unaccounted: 0 });
  });

  it.each([
    [{ rate_hz: 0, channels: 1, quantum: 128 }],
    [{ rate_hz: 1e9, channels: 1, quantum: 128 }],
    [{ rate_hz: 48_000, channels: 0, quantum: 128 }],
    [{ rate_hz: 48_000, channels: 99, quantum: 128 }],
    [{ rate_hz: 48_000, channels: 1, quantum: 0 }],
  ])('refuses a stream of %o in words, and takes the next', async (format) => {
    const engine = await opened(mode);
    expect(() => engine.stream(format)).toThrow(expect.objectContaining({ code: 'engine' }));
    const player = new Player(engine, { rate_hz: 48_000, channels: 1, quantum: 128 });
    player.play(0.1, tone(440));
    expect(engine.close()).toMatchObject({ unaccounted: 0 });
  });

  it('is dead after a trap, and says so each time', async () => {
    const { module, memory } = await compiled(mode, trapping(await wasmOf(mode), 'pcmflow_snapshot'));
    const engine = await EngineClass.instantiate(module, memory);
    engine.open({}, 0);
    for (const call of [() => engine.snapshot(), () => engine.poll(1), () => engine.command('help', false)]) {
      expect(call).toThrow(expect.objectContaining({ code: 'trap', message: expect.stringMatching(/^the engine died: .*unreachable/) }));
    }
  });

  it('polls and pushes without making anything', async () => {
    const engine = await opened(mode);
    const player = new Player(engine, { rate_hz: 48_000, channels: 1, quantum: 128 });
    player.play(1, tone(440));
    const { allocations } = engine.bridge.counts;
    let wanted = 0;
    for (let n = 0; n < 50; n += 1) wanted = engine.poll(1000);
    expect(wanted).toBeGreaterThan(0);
    expect(engine.events()).toEqual([]);
    expect(engine.bridge.counts.allocations).toBe(allocations);
    engine.close();
  });
});

it('both builds come to the same integers', async () => {
  const runs = await Promise.all(
    (['shared', 'plain'] as const).map(async (mode) => {
      const engine = await opened(mode);
      const player = new Player(engine, { rate_hz: 48_000, channels: 1, quantum: 128 });
      player.play(1, tone(440));
      player.skip(640);
      player.play(1, tone(220));
      return { reports: player.reports, books: engine.close() };
    }),
  );
  expect(runs[0]).toEqual(runs[1]);
});
