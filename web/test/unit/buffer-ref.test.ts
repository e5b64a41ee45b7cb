import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { BoundaryCounts } from '../../src/boundary.js';
import { bufferBytes, HEAD, JsBufferPool, type BufferFormat } from '../../src/buffer-ref.js';

const format: BufferFormat = { sample: 'f32', layout: 'planar', channels: 2, capacityFrames: 8 };

/** A real port: what goes over it is transferred as in a browser. */
function way(): { port: Pick<MessagePort, 'postMessage'>; receive: () => ArrayBuffer; close: () => void } {
  const { port1, port2 } = new MessageChannel();
  return {
    port: port1 as unknown as MessagePort,
    receive: () => (receiveMessageOnPort(port2) as { message: ArrayBuffer }).message,
    close: () => port1.close(),
  };
}

describe('a recycled buffer', () => {
  it('goes to the other side and comes back with the same storage, tracked on both sides', () => {
    const there = way();
    const home = way();
    const ours = new JsBufferPool(format, 2);
    const theirs = new JsBufferPool(format, 2);

    const ref = ours.take()!;
    ref.samples.set([1, 2, 3]);
    ref.head[HEAD.frames] = 3;
    const storage = ref.samples.buffer as ArrayBuffer;
    ref.send(there.port);
    expect(storage.byteLength).toBe(0);
    expect(ours.states()).toEqual({ free: 0, filling: 0, sent: 1, back: 0 });

    const mirror = theirs.arrive(there.receive());
    expect([mirror.id, mirror.state, mirror.frames, ...mirror.samples.subarray(0, 3)]).toEqual([ref.id, 'back', 3, 1, 2, 3]);
    mirror.send(home.port);
    expect(theirs.states().sent).toBe(1);

    ours.recycle(ours.arrive(home.receive()));
    expect(ours.states()).toEqual({ free: 1, filling: 0, sent: 0, back: 0 });
    expect(ours.take()).toBe(ref);
    expect(ref.sends).toBe(1);
    there.close();
    home.close();
  });

  it('allocates storage once, however often it goes', () => {
    const there = way();
    const home = way();
    const ours = new JsBufferPool(format, 1);
    const theirs = new JsBufferPool(format, 1);
    const round = (): void => {
      ours.take()!.send(there.port);
      theirs.arrive(there.receive()).send(home.port);
      ours.recycle(ours.arrive(home.receive()));
    };
    round();
    const { bytes, allocations } = ours.counts.figures();
    expect(bytes).toBe(bufferBytes(format));
    for (let n = 0; n < 10; n += 1) round();
    expect(ours.counts.bytes).toBe(bytes);
    // Each arrival makes one buffer object, two views, and one to read its number.
    expect(ours.counts.allocations - allocations).toBe(10 * 4);
    there.close();
    home.close();
  });

  it('is refused in every state that it must not be in', () => {
    const { port, receive, close } = way();
    const pool = new JsBufferPool(format, 1);
    const ref = pool.take()!;
    expect(() => ref.take()).toThrow(/is filling, so it can't become filling: only one that is free/);
    expect(() => ref.recycle()).toThrow(/only one that is back/);
    ref.send(port);
    expect(() => ref.send(port)).toThrow(/is sent/);
    const arrived = receive();
    const copy = arrived.slice(0);
    pool.recycle(pool.arrive(arrived));
    expect(() => pool.arrive(copy)).toThrow(/is free/);
    close();
  });

  it('of another format or number is refused', () => {
    const pool = new JsBufferPool(format, 2);
    expect(() => pool.arrive(new ArrayBuffer(8))).toThrow('a buffer of 8 bytes arrived, those of this pool have 128');
    const strange = new ArrayBuffer(bufferBytes(format));
    new Float64Array(strange, 0, 1)[0] = 2;
    expect(() => pool.arrive(strange)).toThrow('number 2 arrived, those of this pool go from 0 to 1');
  });

  it('is not made beyond the limit, and the miss is counted', () => {
    const pool = new JsBufferPool(format, 2);
    pool.prewarm(9);
    expect(pool.states().free).toBe(2);
    expect([pool.take(), pool.take(), pool.take()].map((ref) => ref?.id)).toEqual([1, 0, undefined]);
    expect(pool.misses).toBe(1);
  });

  it('says no more frames than it holds, whatever its head says', () => {
    const ref = new JsBufferPool(format, 1, new BoundaryCounts()).take()!;
    for (const [said, held] of [[1e9, 8], [-1, 0], [NaN, 0], [2.9, 2]] as const) {
      ref.head[HEAD.frames] = said;
      expect(ref.frames).toBe(held);
    }
  });
});
