import { describe, expect, it } from 'vitest';
import { Batcher } from '../../src/batcher.js';
import { HEAD, JsBufferPool, type JsBufferRef } from '../../src/buffer-ref.js';

const RATE = 48_000;
const FRAME_MS = 1000 / RATE;

/** What arrived, as the Worker sees it. */
interface Batch {
  frames: number;
  position: number;
  lost: number;
  audioMs: number;
  channels: number[][];
}

/** A worklet's side whose other side keeps the first `keeps` buffers and sends all later ones home at once, or by hand. */
class Rig {
  readonly batches: Batch[] = [];
  readonly away: ArrayBuffer[] = [];
  readonly pool: JsBufferPool;
  readonly batcher: Batcher;
  #next = 0;

  constructor(
    readonly channels: number,
    readonly batchFrames: number,
    limit: number,
    readonly sendsHome = true,
  ) {
    this.pool = new JsBufferPool({ sample: 'f32', layout: 'planar', channels, capacityFrames: batchFrames }, limit);
    const port = {
      postMessage: (message: unknown, transfer: unknown) => {
        this.#received(structuredClone(message as ArrayBuffer, { transfer: transfer as ArrayBuffer[] }));
      },
    };
    this.batcher = new Batcher(this.pool, port as Pick<MessagePort, 'postMessage'>);
  }

  /** Pushes a quantum of a running number; each channel has its own thousand. */
  push(frames: number): void {
    const input = Array.from({ length: this.channels }, (_, channel) =>
      Float32Array.from({ length: frames }, (_, frame) => this.#next + frame + channel * 100_000),
    );
    this.batcher.push(input, frames, this.#next * FRAME_MS, FRAME_MS);
    this.#next += frames;
  }

  home(): void {
    for (const buffer of this.away.splice(0)) this.pool.recycle(this.pool.arrive(buffer));
  }

  #received(buffer: ArrayBuffer): void {
    const head = new Float64Array(buffer, 0, 8);
    const samples = new Float32Array(buffer, 64);
    const frames = head[HEAD.frames]!;
    this.batches.push({
      frames,
      position: head[HEAD.position]!,
      lost: head[HEAD.lost]!,
      audioMs: head[HEAD.audioMs]!,
      channels: Array.from({ length: this.channels }, (_, channel) => [
        ...samples.subarray(channel * this.batchFrames, channel * this.batchFrames + frames),
      ]),
    });
    this.away.push(buffer);
    if (this.sendsHome) queueMicrotask(() => this.home());
  }
}

/** All frames that arrived stand where their number says. */
function everyFrameInPlace(rig: Rig): void {
  for (const { position, channels, frames } of rig.batches) {
    channels.forEach((samples, channel) => {
      expect(samples).toEqual(Array.from({ length: frames }, (_, frame) => position + frame + channel * 100_000));
    });
  }
}

describe('batches', () => {
  it.each([
    [1, 128],
    [2, 128],
    [2, 100],
    [1, 480],
    [3, 2500],
  ])('%i channels by quanta of %i are whole, aligned and in order', async (channels, quantum) => {
    const rig = new Rig(channels, 1024, 16);
    for (let n = 0; n < 40; n += 1) {
      rig.push(quantum);
      await Promise.resolve();
    }
    rig.batcher.flush();
    everyFrameInPlace(rig);
    const whole = rig.batches.slice(0, -1);
    expect(whole.every(({ frames, position }) => frames === 1024 && position % 1024 === 0)).toBe(true);
    expect(rig.batches.reduce((sum, { frames }) => sum + frames, 0)).toBe(40 * quantum);
    for (const { audioMs, position } of rig.batches) expect(audioMs).toBeCloseTo(position * FRAME_MS, 6);
    expect(rig.batcher).toMatchObject({ offered: 40 * quantum, lost: 0, untold: 0 });
  });

  it('are given up whole where no buffer is home, and the next one tells', () => {
    const rig = new Rig(1, 1024, 2, false);
    for (let n = 0; n < 8 * 4 + 3; n += 1) rig.push(128);
    expect(rig.batches).toHaveLength(2);
    rig.home();
    // The batch that was begun without a buffer stays lost to its end.
    for (let n = 0; n < 5 + 8; n += 1) rig.push(128);
    expect(rig.batches.map(({ position, lost, frames }) => [position, lost, frames])).toEqual([
      [0, 0, 1024],
      [1024, 0, 1024],
      [5 * 1024, 3 * 1024, 1024],
    ]);
    everyFrameInPlace(rig);
    expect(rig.batcher).toMatchObject({ offered: 6 * 1024, lost: 3 * 1024, untold: 0 });
  });

  it('that are lost at the very end are told by the end', () => {
    const rig = new Rig(1, 256, 1, false);
    for (let n = 0; n < 5; n += 1) rig.push(128);
    rig.batcher.flush();
    expect(rig.batches).toHaveLength(1);
    expect(rig.batcher).toMatchObject({ offered: 640, lost: 384, untold: 384 });
  });

  it('are aligned again after a pause', () => {
    const rig = new Rig(1, 1024, 4);
    for (let n = 0; n < 3; n += 1) rig.push(128);
    rig.batcher.flush();
    for (let n = 0; n < 13; n += 1) rig.push(128);
    expect(rig.batches.map(({ position, frames }) => [position, frames])).toEqual([
      [0, 384],
      [384, 640],
      [1024, 1024],
    ]);
    everyFrameInPlace(rig);
  });

  it('hold the first channel where the input has fewer than agreed', () => {
    const pool = new JsBufferPool({ sample: 'f32', layout: 'planar', channels: 2, capacityFrames: 4 }, 1);
    let sent: JsBufferRef | undefined;
    const take = pool.take.bind(pool);
    pool.take = () => (sent = take());
    const arrived: Float32Array[] = [];
    const port = { postMessage: () => arrived.push(Float32Array.from(sent!.samples)) };
    new Batcher(pool, port as Pick<MessagePort, 'postMessage'>).push([Float32Array.of(1, 2, 3, 4)], 4, 0, FRAME_MS);
    expect([...arrived[0]!]).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
  });
});
