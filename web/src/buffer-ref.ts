/**
 * {@link JsBufferRef}: an ArrayBuffer that goes back and forth between threads, and {@link JsBufferPool}: all of one side.
 *
 * A transfer leaves an empty shell behind and makes a new ArrayBuffer where it arrives; the storage stays the same. The
 * reference is what lasts: it has the number that travels in the buffer's head, and the views, which are renewed when the
 * buffer arrives. Each side has its own references and tracks the state as seen from there.
 *
 * ```text
 *   free --take--> filling --send--> sent --arrive--> back --recycle--> free
 *                                     ^----- send ------|
 * ```
 */
import { BoundaryCounts } from './boundary.js';

/** How samples lie in a buffer. Planar: all of the first channel, then all of the second. */
export interface BufferFormat {
  readonly sample: 'f32' | 'i16';
  readonly layout: 'planar' | 'interleaved';
  readonly channels: number;
  /** Frames for which there is room. */
  readonly capacityFrames: number;
}

/**
 * - `free`: here, its content is of no interest
 * - `filling`: here, somebody writes it
 * - `sent`: on the other thread
 * - `back`: here again, with what the other thread wrote
 */
export type BufferState = 'free' | 'filling' | 'sent' | 'back';

/** What stands in a buffer's head, as the index of a 64-bit float. */
export const HEAD = {
  /** The number of the reference. */
  id: 0,
  /** Frames in it. */
  frames: 1,
  /** Frames of the stream before it, given up ones included. */
  position: 2,
  /** Frames that were given up right before it. */
  lost: 3,
  /** The time of its first frame by the audio clock. */
  audioMs: 4,
  /** {@link BoundaryFigures.allocations} of the sender. */
  allocations: 5,
  /** {@link BoundaryFigures.bytes} of the sender. */
  bytes: 6,
} as const;

const HEAD_WORDS = 8;
const HEAD_BYTES = HEAD_WORDS * Float64Array.BYTES_PER_ELEMENT;
const NOWHERE = new ArrayBuffer(0);

/** Bytes of a buffer of this format, head included. */
export function bufferBytes(format: BufferFormat): number {
  return HEAD_BYTES + format.channels * format.capacityFrames * (format.sample === 'f32' ? 4 : 2);
}

/** A recycled ArrayBuffer. Its views must not be kept beyond the next send. */
export class JsBufferRef {
  #state: BufferState = 'free';
  #buffer = NOWHERE;
  #head = new Float64Array(NOWHERE);
  #samples: Float32Array | Int16Array = new Float32Array(NOWHERE);
  /** Made once: `postMessage` wants an array of what it transfers. */
  readonly #transfer: ArrayBuffer[] = [NOWHERE];
  #sends = 0;

  /** For {@link JsBufferPool}: a reference to a buffer that `hold` gives it. */
  constructor(
    readonly id: number,
    readonly format: BufferFormat,
    readonly counts: BoundaryCounts,
  ) {}

  get state(): BufferState {
    return this.#state;
  }

  /** How often it was sent. */
  get sends(): number {
    return this.#sends;
  }

  /** The head; indices are in {@link HEAD}. Empty while it is sent. */
  get head(): Float64Array {
    return this.#head;
  }

  /** All samples, as the format says. Empty while it is sent. */
  get samples(): Float32Array | Int16Array {
    return this.#samples;
  }

  /** Frames in it, never more than there is room for, whatever the head says. */
  get frames(): number {
    const frames = this.#head[HEAD.frames] ?? 0;
    return frames > 0 ? Math.min(Math.trunc(frames), this.format.capacityFrames) : 0;
  }

  /** Takes hold of a new or arrived buffer: the one place where views are made. */
  hold(buffer: ArrayBuffer): void {
    this.#buffer = buffer;
    this.#head = new Float64Array(buffer, 0, HEAD_WORDS);
    this.#samples =
      this.format.sample === 'f32' ? new Float32Array(buffer, HEAD_BYTES) : new Int16Array(buffer, HEAD_BYTES);
    this.#transfer[0] = buffer;
    this.counts.made(2, 0);
  }

  /** Begins to write it. */
  take(): void {
    this.#move('free', 'filling');
    this.#head[HEAD.id] = this.id;
    this.#head[HEAD.frames] = 0;
  }

  /** Transfers it over `port`, filled or read. */
  send(port: Pick<MessagePort, 'postMessage'>): void {
    if (this.#state !== 'back') this.#move('filling', 'sent');
    port.postMessage(this.#buffer, this.#transfer);
    this.#state = 'sent';
    this.#sends += 1;
  }

  /** It arrived: `buffer` holds what was `sent`. */
  arrive(buffer: ArrayBuffer): void {
    this.#move('sent', 'back');
    this.counts.made(1, 0);
    this.hold(buffer);
  }

  /** What the other side wrote was read, or is of no interest. */
  recycle(): void {
    this.#move('back', 'free');
  }

  /** Gives up what was being written. */
  cancel(): void {
    this.#move('filling', 'free');
  }

  /** Marks a reference as one whose buffer is on the other thread; for the side that has not seen it yet. */
  expect(): void {
    this.#move('free', 'sent');
  }

  #move(from: BufferState, to: BufferState): void {
    if (this.#state !== from) {
      throw new Error(`buffer ${this.id} is ${this.#state}, so it can't become ${to}: only one that is ${from} can`);
    }
    this.#state = to;
  }
}

/** How many buffers of a pool are in which state. */
export type BufferStates = Record<BufferState, number>;

/** The references of one side. Buffers are made when they are needed first, up to a limit, and never given back. */
export class JsBufferPool {
  readonly #refs = new Map<number, JsBufferRef>();
  readonly #free: JsBufferRef[] = [];
  readonly #bytes: number;
  #misses = 0;

  constructor(
    readonly format: BufferFormat,
    /** The most buffers. */
    readonly limit: number,
    readonly counts = new BoundaryCounts(),
  ) {
    this.#bytes = bufferBytes(format);
  }

  /** Makes buffers now, so that none is made later while audio runs. */
  prewarm(buffers: number): void {
    const wanted = Math.min(buffers, this.limit);
    while (this.#refs.size < wanted) this.#free.push(this.#make());
  }

  /** A buffer to write, or `undefined` where all are elsewhere and no more may be made. */
  take(): JsBufferRef | undefined {
    const ref = this.#free.pop() ?? (this.#refs.size < this.limit ? this.#make() : undefined);
    if (ref === undefined) this.#misses += 1;
    else ref.take();
    return ref;
  }

  /**
   * The reference of a buffer that arrived, with its content. One that this side has not seen gets its reference now.
   *
   * Throws where it is no buffer of this format, or is not one that was sent.
   */
  arrive(buffer: ArrayBuffer): JsBufferRef {
    if (buffer.byteLength !== this.#bytes) {
      throw new Error(`a buffer of ${buffer.byteLength} bytes arrived, those of this pool have ${this.#bytes}`);
    }
    const id = new Float64Array(buffer, 0, 1)[0] ?? -1;
    this.counts.made(1, 0);
    const ref = this.#refs.get(id) ?? this.#unseen(id);
    ref.arrive(buffer);
    return ref;
  }

  /** Back into the pool: its content is of no interest any more. */
  recycle(ref: JsBufferRef): void {
    if (ref.state === 'filling') ref.cancel();
    else ref.recycle();
    this.#free.push(ref);
  }

  /** Times that {@link take} had none. */
  get misses(): number {
    return this.#misses;
  }

  /** How many are in which state. */
  states(): BufferStates {
    const states: BufferStates = { free: 0, filling: 0, sent: 0, back: 0 };
    for (const ref of this.#refs.values()) states[ref.state] += 1;
    return states;
  }

  #make(): JsBufferRef {
    const ref = this.#add(this.#refs.size);
    ref.hold(new ArrayBuffer(this.#bytes));
    this.counts.made(1, this.#bytes);
    return ref;
  }

  #unseen(id: number): JsBufferRef {
    if (!Number.isInteger(id) || id < 0 || id >= this.limit) {
      throw new Error(`a buffer with number ${id} arrived, those of this pool go from 0 to ${this.limit - 1}`);
    }
    const ref = this.#add(id);
    ref.expect();
    return ref;
  }

  #add(id: number): JsBufferRef {
    const ref = new JsBufferRef(id, this.format, this.counts);
    this.#refs.set(id, ref);
    return ref;
  }
}
