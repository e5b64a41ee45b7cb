import { describe, expect, it } from 'vitest';
import { Announcer } from '../../src/announcer.ts';
import { moment } from '../../src/figures.ts';
import { graph } from '../../src/graph.ts';
import { noteOf } from '../../src/note.ts';
import type { Reading } from '../../src/note.ts';
import { problemOf } from '../../src/problems.ts';
import type { BusEvent, Snapshot } from '../../src/source.ts';
import { tell } from '../../src/telling.ts';
import { onScale } from '../../src/view/level.ts';
import golden from '../../../../crates/pcmflow-engine/src/metrics/tests/snapshot.json';

describe('events as sentences', () => {
  const gap: BusEvent = {
    type: 'event',
    name: 'gap_opened',
    source: 'input',
    at_ms: 5,
    fields: { edge: 'input', position: 48_000, frames: 128, cause: 'overflow' },
  };

  it('tells what was lost, where and why', () => {
    expect(tell(gap, 48_000)).toEqual({ weight: 'trouble', text: 'input lost 128 frames at 00:01.000: overflow' });
    expect(tell(gap, null)?.text).toBe('input lost 128 frames at frame 48\u202f000: overflow');
  });

  it('tells back-pressure when it comes and when it goes', () => {
    const head = { type: 'event', source: 'a', at_ms: 0 } as const;
    const fields = { pipeline: 'voice', slow: 'pitch', queued_chunks: 15, capacity_chunks: 16 };
    expect(tell({ ...head, name: 'backpressure_detected', fields }, null)).toEqual({
      weight: 'trouble',
      text: 'Back-pressure in voice: pitch is too slow, 15 of 16 chunks wait',
    });
    const over = { pipeline: 'voice', slow: 'pitch', duration_ns: 2_500_000 };
    expect(tell({ ...head, name: 'backpressure_cleared', fields: over }, null)?.weight).toBe('relief');
  });

  it('leaves to the console what comes with every block', () => {
    const fields = { pool: 'main', class_samples: 1_024, hit: true, in_use_buffers: 3 };
    expect(tell({ type: 'event', name: 'buffer_allocation', source: '', at_ms: 0, fields }, null)).toBeNull();
  });
});

describe('what a screen reader is told', () => {
  const reading = (hz: number): Reading => ({ note: noteOf(hz), hz, confidence: 1 });

  it('says a note once it lasts, and nothing of its cents', () => {
    const said: string[] = [];
    const announcer = new Announcer((text) => said.push(text));
    for (let at = 0; at < 3_000; at += 100) announcer.show(reading(440 + at / 1_000), at);
    expect(said).toEqual(['A 4, in tune']);
  });

  it('says neither short notes nor too many', () => {
    const said: string[] = [];
    const announcer = new Announcer((text) => said.push(text));
    for (let at = 0; at < 3_000; at += 100) announcer.show(reading(at % 400 < 200 ? 440 : 494), at);
    expect(said).toEqual([]);
    for (let at = 3_000; at < 4_000; at += 100) announcer.show(reading(440), at);
    for (let at = 4_000; at < 6_000; at += 100) announcer.show(reading(277.18), at);
    expect(said).toEqual(['A 4, in tune', 'C sharp 4, in tune']);
  });

  it('says the same note again after a silence', () => {
    const said: string[] = [];
    const announcer = new Announcer((text) => said.push(text));
    for (let at = 0; at < 1_000; at += 100) announcer.show(reading(440), at);
    for (let at = 1_000; at < 2_000; at += 100) announcer.show(null, at);
    for (let at = 2_000; at < 4_000; at += 100) announcer.show(reading(440), at);
    expect(said).toHaveLength(2);
  });
});

describe('figures and problems', () => {
  it('takes the fullest, the busiest and the worst', () => {
    const snapshot = golden as unknown as Snapshot;
    expect(moment(snapshot)).toEqual({
      at_s: 5,
      // Nothing moved in the last second: there is no latency to speak of.
      latency_p50_ms: null,
      latency_p99_ms: null,
      busy_percent: 0,
      fill_percent: (100 * 3) / 64,
      hit_percent: 99.9,
    });
  });

  it('takes what the engine’s thread works where that is what is known', () => {
    const snapshot = { ...(golden as unknown as Snapshot), thread_busy_ppm: 12_000 };
    expect(moment(snapshot).busy_percent).toBe(1.2);
    expect(graph(snapshot, new Map()).nodes.map((node) => node.busy_ppm)).toContain(null);
  });

  it('turns codes into sentences, and keeps what was said', () => {
    const denied = Object.assign(new Error('Permission denied'), { code: 'permission' });
    expect(problemOf(denied, 'microphone')).toMatchObject({
      what: 'The microphone may not be used.',
      detail: 'Permission denied',
      can_retry: true,
    });
    expect(problemOf(Object.assign(new Error('x'), { code: 'decode' }), 'file').can_retry).toBe(false);
    expect(problemOf(new Error('odd'), 'file')).toMatchObject({ what: 'The file could not be started.', detail: 'odd' });
    expect(problemOf('odd', 'melody')).toMatchObject({ what: 'The melody could not be started.', detail: 'odd' });
  });

  it('puts levels between silence and full scale', () => {
    expect([0, 1, 2, 0.001, Number.NaN].map(onScale)).toEqual([0, 1, 1, 0, 0]);
    expect(onScale(10 ** (-30 / 20))).toBeCloseTo(0.5);
  });
});
