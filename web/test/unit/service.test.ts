/** The Worker's service on the real engine, with the worklet's sinks at the other end of a real port. In Node, without audio. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { EngineReport } from '../../src/events.js';
import type { Mode } from '../../src/modes.js';
import type { Calls, FromWorker, Request } from '../../src/protocol.js';
import { Service } from '../../src/service.js';
import { BatchSink, SharedSink, type Sink } from '../../src/sink.js';
import { cents } from '../support/tones.js';
import { trapping } from '../support/trapping.js';
import { compiled, wasmOf } from '../support/wasm.js';

const RATE = 48_000;
const QUANTUM = 128;

/** A Worker with its page, and an audio thread that the test plays. */
class Rig {
  rate = RATE;
  readonly said: FromWorker[] = [];
  readonly reports: EngineReport[] = [];
  readonly service: Service;
  frames = 0;
  /** Buffers that came back from the Worker. */
  home = 0;
  sink!: Sink;
  #port!: MessagePort;
  #ids = 0;

  constructor(readonly mode: Mode) {
    const post = (message: FromWorker): void => {
      this.said.push(message);
      if (message.type === 'events') this.reports.push(...message.events);
    };
    // Node hands out up to a thousand messages of a port before anything else: here its own way of going on later.
    const soon = (step: () => void): void => void setImmediate(step);
    this.service = new Service({ post, now: () => performance.now(), timeOrigin: performance.timeOrigin, soon });
  }

  async call<C extends keyof Calls>(call: C, body: Calls[C]['body']): Promise<Calls[C]['answer']> {
    const id = this.#ids++;
    await this.service.serve({ id, call, body } as Request);
    const answer = this.said.find((message) => 'id' in message && message.id === id);
    if (answer?.type === 'answer') return answer.value as Calls[C]['answer'];
    throw Object.assign(new Error('refused'), answer?.type === 'refused' ? answer.trouble : {});
  }

  /** Everything up to the first quantum. */
  async begin(bytes?: Uint8Array<ArrayBuffer>): Promise<void> {
    const { module, memory } = await compiled(this.mode, bytes);
    const wake = memory === null ? null : new SharedArrayBuffer(4);
    await this.call('start', { mode: this.mode, module, memory, wake, config: {}, pageTimeOrigin: performance.timeOrigin });
    const format = { rate_hz: this.rate, channels: 1, quantum: this.mode === 'shared' ? QUANTUM : 8 * QUANTUM };
    const { place, thread } = await this.call('stream', format);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    await this.call('port', { port: port2 });
    this.sink =
      memory === null || thread === null ? new BatchSink(port1, format) : new SharedSink({ module, memory, place, thread }, format);
    port1.addEventListener('message', () => (this.home += 1));
  }

  push(quanta: number, hz = 440): void {
    for (let n = 0; n < quanta; n += 1) {
      const samples = Float32Array.from({ length: QUANTUM }, (_, frame) => 0.5 * Math.sin((2 * Math.PI * hz * (this.frames + frame)) / RATE));
      this.sink.push([samples], QUANTUM, (this.frames / this.rate) * 1000);
      this.frames += QUANTUM;
    }
  }

  /** Pushes, and lets messages go both ways in between. */
  async play(quanta: number, hz = 440): Promise<void> {
    for (let left = quanta; left > 0; left -= 8) {
      this.push(Math.min(left, 8), hz);
      await sleep(this.mode === 'shared' ? 5 : 1);
    }
  }

  end(): void {
    this.#port.postMessage(this.sink.end());
  }

  release(): void {
    this.#port?.close();
  }
}

let rig: Rig;
afterEach(() => rig.release());

describe.each(['shared', 'plain'] as const)('the service in %s mode', (mode) => {
  it('hears what the audio thread pushes, and its books agree with that thread’s count', async () => {
    rig = new Rig(mode);
    await rig.begin();
    await rig.play(378);
    const snapshot = await rig.call('snapshot', null);
    expect(snapshot).toMatchObject({ frames_astray: 0, stack_whole: mode === 'shared' ? true : null });
    expect(snapshot.busy_ms).toBeGreaterThan(0);
    rig.end();
    expect(await rig.call('endStream', null)).toEqual({ frames: 378 * 128, lost: 0 });
    const { worklet, ledger, frames_astray } = await rig.call('close', null);
    expect(worklet).toEqual({ frames: 378 * 128, lost: 0 });
    expect(frames_astray).toBe(0);
    for (const sink of ['pitch', 'level']) {
      expect(ledger.sinks[sink]).toMatchObject({ frames_in: worklet.frames, delivered: worklet.frames, unaccounted: 0 });
    }
    expect(ledger.is_over).toBe(true);
    const pitches = rig.reports.filter((report) => report.type === 'pitch').filter(({ time_s }) => time_s > 0.3);
    expect(pitches.length).toBeGreaterThan(15);
    for (const { hz } of pitches) expect(Math.abs(cents(440, hz!))).toBeLessThan(1);
    expect(rig.said.filter(({ type }) => type === 'dead')).toEqual([]);
  });

  it('ends a stream whose audio thread says nothing, and takes the next', async () => {
    rig = new Rig(mode);
    await rig.begin();
    await rig.play(80);
    expect(await rig.call('endStream', null)).toEqual({ frames: 0, lost: 0 });
    const { ledger } = await rig.call('close', null);
    expect(ledger.unaccounted).toBe(0);
    expect(ledger.sinks['pitch']!.delivered).toBe(80 * 128);
  });

  it('says that the engine died, to the one who asked and to all', async () => {
    rig = new Rig(mode);
    await rig.begin(trapping(await wasmOf(mode), 'pcmflow_snapshot'));
    await expect(rig.call('snapshot', null)).rejects.toMatchObject({ code: 'trap', message: expect.stringMatching(/unreachable/) });
    expect(rig.said.filter(({ type }) => type === 'dead')).toHaveLength(1);
    await expect(rig.call('command', { line: 'help', json: false })).rejects.toMatchObject({ code: 'trap' });
  });

  it('does nothing before it was started', async () => {
    rig = new Rig(mode);
    await expect(rig.call('snapshot', null)).rejects.toMatchObject({ code: 'engine', message: expect.stringMatching(/start it first/) });
    const { module, memory } = await compiled(mode);
    await rig.call('start', { mode, module, memory, wake: null, config: {}, pageTimeOrigin: 0 });
    await rig.call('close', null);
  });
});

describe('batches that a hanging Worker does not take', () => {
  it('are lost by count, and the engine knows them', async () => {
    rig = new Rig('plain');
    await rig.begin();
    await rig.play(80);
    // A batch that the Worker has not taken yet holds a buffer.
    await vi.waitFor(() => expect(rig.home).toBe(10), { timeout: 5_000 });
    // Nothing comes back meanwhile: 16 buffers fill, five batches are lost.
    rig.push(8 * 21);
    await vi.waitFor(() => expect(rig.home).toBe(26), { timeout: 5_000 });
    await rig.play(80);
    const { buffers, frames_astray, boundary } = await rig.call('snapshot', null);
    expect(frames_astray).toBe(0);
    expect(buffers).toEqual({ free: 0, filling: 0, sent: 16, back: 0 });
    expect(boundary.worklet!.bytes).toBe(16 * (64 + 4096));
    rig.end();
    const { worklet, ledger } = await rig.call('close', null);
    expect(worklet).toEqual({ frames: 328 * 128, lost: 5 * 1024 });
    expect(ledger.sinks['pitch']).toMatchObject({ frames_in: 328 * 128, dropped: { device: 5 * 1024 }, unaccounted: 0 });
  });

  it('are none within 200 ms, whatever the rate', async () => {
    rig = new Rig('plain');
    rig.rate = 384_000;
    await rig.begin();
    rig.push(75 * 8);
    rig.end();
    const { worklet, frames_astray } = await rig.call('close', null);
    expect(worklet).toEqual({ frames: 75 * 1024, lost: 0 });
    expect(frames_astray).toBe(0);
  });

  it('are not forgotten when they are the last', async () => {
    rig = new Rig('plain');
    await rig.begin();
    rig.push(8 * 17 + 3);
    rig.end();
    const { worklet, ledger } = await rig.call('close', null);
    expect(worklet).toEqual({ frames: 139 * 128, lost: 11 * 128 });
    expect(ledger.sinks['pitch']).toMatchObject({ frames_in: 139 * 128, delivered: 16 * 1024, dropped: { device: 11 * 128 }, unaccounted: 0 });
  });
});
