/**
 * {@link Intake}: the Worker's end of the port from the worklet. It takes batches (plain mode) and the ends of streams (both
 * modes), checks that positions follow each other, and sends emptied buffers home.
 */
import { HEAD, JsBufferPool, type BufferStates } from './buffer-ref.js';
import type { Engine } from './engine.js';
import { buffersMax, type StreamFormat, type StreamPlace, type WorkletEnd, type WorkletFigures } from './protocol.js';

/** What the worklet sends to the Worker. */
export type FromWorklet = ArrayBuffer | WorkletEnd;

/** Takes what the worklet sends. */
export class Intake {
  #pool: JsBufferPool | undefined;
  #place: StreamPlace | undefined;
  #next = 0;
  #astray = 0;
  #frames = 0;
  #lost = 0;
  #worklet: { allocations: number; bytes: number } | null = null;
  #hasEnded = false;
  #onEnd: (() => void) | undefined;

  constructor(
    readonly engine: Engine,
    /** Runs the engine: before a batch, so that there is room for it, and after. */
    readonly run: () => void,
  ) {}

  /** A stream begins. */
  begin(format: StreamFormat, place: StreamPlace, batched: boolean): void {
    this.#place = place;
    this.#next = 0;
    this.#hasEnded = false;
    if (!batched) return;
    const before = this.#pool?.format;
    const limit = buffersMax(format);
    if (before?.channels !== format.channels || before.capacityFrames !== format.quantum || this.#pool?.limit !== limit) {
      const { channels, quantum: capacityFrames } = format;
      const counts = this.engine.bridge.counts;
      this.#pool = new JsBufferPool({ sample: 'f32', layout: 'planar', channels, capacityFrames }, limit, counts);
    }
  }

  /** A message came over `port`. */
  take(message: FromWorklet, port: Pick<MessagePort, 'postMessage'>): void {
    if (message instanceof ArrayBuffer) this.#batch(message, port);
    else this.#end(message);
  }

  /** Waits for the stream's end, or `false` when it does not come in time: the audio thread is gone, or stands still. */
  async end(waitMs: number): Promise<boolean> {
    if (!this.#hasEnded) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        this.#onEnd = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#onEnd = undefined;
    this.#place = undefined;
    return this.#hasEnded;
  }

  /** What the worklet counted, over all streams that ended. */
  get worklet(): WorkletFigures {
    return { frames: this.#frames, lost: this.#lost };
  }

  /** What crossing threads cost the worklet, as of its last batch. */
  get workletBoundary(): { allocations: number; bytes: number } | null {
    return this.#worklet;
  }

  /** Frames missing between batches that nobody told of. */
  get astray(): number {
    return this.#astray;
  }

  buffers(): BufferStates | null {
    return this.#pool?.states() ?? null;
  }

  #batch(buffer: ArrayBuffer, port: Pick<MessagePort, 'postMessage'>): void {
    const pool = this.#pool;
    const place = this.#place;
    // After the stream was given up there is nowhere to put it; its frames are astray then, not forgotten.
    if (pool === undefined || place === undefined) {
      this.#astray += new Float64Array(buffer, 0, 2)[HEAD.frames] ?? 0;
      return;
    }
    const ref = pool.arrive(buffer);
    const { head, frames } = ref;
    const lost = head[HEAD.lost] ?? 0;
    const position = head[HEAD.position] ?? 0;
    this.#astray += Math.abs(position - lost - this.#next);
    this.#next = position + frames;
    this.#worklet = { allocations: head[HEAD.allocations] ?? 0, bytes: head[HEAD.bytes] ?? 0 };
    this.run();
    this.engine.bridge.copyIn(ref, place.channels);
    // What was lost before it the engine sees by the audio time, and posts.
    this.engine.push(place.capture, frames, head[HEAD.audioMs] ?? 0);
    ref.send(port);
    this.run();
  }

  #end(end: WorkletEnd): void {
    this.#frames += end.frames;
    this.#lost += end.lost;
    // Nothing follows what was lost last: the time of the end tells of it.
    if (end.untold !== null && this.#place !== undefined) this.engine.push(this.#place.capture, 0, end.untold.endMs);
    this.#hasEnded = true;
    this.#onEnd?.();
  }
}
