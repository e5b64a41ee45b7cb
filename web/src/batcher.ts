/**
 * {@link Batcher}: gathers the worklet's quanta into buffers that go to the Worker, in plain mode.
 *
 * A batch has a fixed number of frames and begins at a multiple of it, so it falls together with the blocks that are analysed
 * and adds nothing to their delay. Where no emptied buffer is there, whole batches are given up and counted, never a part
 * of one: that keeps the alignment, and the next batch's head says how many frames are missing before it.
 */
import { HEAD, type JsBufferPool, type JsBufferRef } from './buffer-ref.js';

/** Gathers planar 32-bit floats. Makes no garbage but what a transfer makes by itself. */
export class Batcher {
  readonly #channels: number;
  readonly #batchFrames: number;
  #ref: JsBufferRef | undefined;
  /** Frames of the present batch so far, given up ones too. */
  #filled = 0;
  /** Frames that make it full: all, or what is missing to the next multiple after a flush. */
  #full = 0;
  #lostBefore = 0;
  /** Frames offered since the stream began. */
  offered = 0;
  /** Frames of them that were given up. */
  lost = 0;

  constructor(
    readonly pool: JsBufferPool,
    readonly port: Pick<MessagePort, 'postMessage'>,
  ) {
    this.#channels = pool.format.channels;
    this.#batchFrames = pool.format.capacityFrames;
  }

  /** Takes one quantum: `input` has an array of `frames` samples for each channel. */
  push(input: readonly Float32Array[], frames: number, audioMs: number, frameMs: number): void {
    let from = 0;
    while (from < frames) {
      if (this.#filled === 0) this.#begin(audioMs + from * frameMs);
      const now = Math.min(frames - from, this.#full - this.#filled);
      if (this.#ref !== undefined) this.#write(this.#ref, input, from, now, frames);
      else {
        this.lost += now;
        this.#lostBefore += now;
      }
      this.offered += now;
      this.#filled += now;
      from += now;
      if (this.#filled === this.#full) this.#end();
    }
  }

  /** Sends what is there of a batch: the stream ends or pauses. */
  flush(): void {
    if (this.#filled > 0) this.#end();
  }

  /** Frames lost that no batch's head has told of. */
  get untold(): number {
    return this.#lostBefore;
  }

  #begin(audioMs: number): void {
    this.#full = this.#batchFrames - (this.offered % this.#batchFrames);
    const ref = this.pool.take();
    this.#ref = ref;
    if (ref === undefined) return;
    const { head } = ref;
    head[HEAD.position] = this.offered;
    head[HEAD.lost] = this.#lostBefore;
    head[HEAD.audioMs] = audioMs;
    this.#lostBefore = 0;
  }

  #write(ref: JsBufferRef, input: readonly Float32Array[], from: number, now: number, frames: number): void {
    const { samples } = ref;
    for (let channel = 0; channel < this.#channels; channel += 1) {
      // Fewer channels than agreed happen for a moment when a source is exchanged: the first stands for them.
      const source = input[channel] ?? input[0];
      if (source === undefined) continue;
      // A part of a quantum only where quanta don't divide the batch.
      samples.set(now === frames ? source : source.subarray(from, from + now), channel * this.#batchFrames + this.#filled);
    }
  }

  #end(): void {
    const ref = this.#ref;
    if (ref !== undefined) {
      const { head } = ref;
      head[HEAD.frames] = this.#filled;
      head[HEAD.allocations] = this.pool.counts.allocations;
      head[HEAD.bytes] = this.pool.counts.bytes;
      ref.send(this.port);
    }
    this.#ref = undefined;
    this.#filled = 0;
  }
}
