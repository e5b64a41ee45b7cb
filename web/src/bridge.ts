/**
 * {@link WasmJsBridge}: typed-array views on wasm memory, and what is copied through them.
 *
 * A view is made once for each place and kept; when the memory has grown (which detaches the views of unshared memory and
 * leaves those of shared memory too short for what is new) all are forgotten and made anew as they are asked for. So a view
 * must be asked for each time and never kept across a call into wasm.
 */
import { BoundaryCounts } from './boundary.js';
import { HEAD, type JsBufferRef } from './buffer-ref.js';

/** What a 16-bit sample's full scale is. */
const I16_SCALE = 32768;

/** The way over the boundary of one wasm instance's memory. */
export class WasmJsBridge {
  #buffer: ArrayBufferLike;
  #bytes: Uint8Array;
  readonly #f32 = new Map<number, Float32Array>();
  readonly #i16 = new Map<number, Int16Array>();
  /** Coders refuse shared memory: text goes through here. */
  #text = new Uint8Array(1024);
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();

  constructor(
    readonly memory: WebAssembly.Memory,
    readonly counts = new BoundaryCounts(),
  ) {
    this.#buffer = memory.buffer;
    this.#bytes = new Uint8Array(this.#buffer);
    counts.made(3, this.#text.byteLength);
  }

  /** `length` samples at `pointer`. */
  f32(pointer: number, length: number): Float32Array {
    this.#renew();
    let view = this.#f32.get(pointer);
    if (view?.length !== length) {
      view = new Float32Array(this.#buffer, pointer, length);
      this.#f32.set(pointer, view);
      this.counts.made(1, 0);
    }
    return view;
  }

  /** `length` 16-bit samples at `pointer`. */
  i16(pointer: number, length: number): Int16Array {
    this.#renew();
    let view = this.#i16.get(pointer);
    if (view?.length !== length) {
      view = new Int16Array(this.#buffer, pointer, length);
      this.#i16.set(pointer, view);
      this.counts.made(1, 0);
    }
    return view;
  }

  /**
   * Copies `frames` frames of `ref` to one place of 32-bit floats for each channel (`capacityFrames` long each).
   * Makes no garbage.
   */
  copyIn(ref: JsBufferRef, pointers: readonly number[], frames = ref.frames): void {
    const { sample, layout, channels, capacityFrames } = ref.format;
    const source = ref.samples;
    const step = layout === 'planar' ? 1 : channels;
    const apart = layout === 'planar' ? capacityFrames : 1;
    const gain = sample === 'f32' ? 1 : 1 / I16_SCALE;
    for (let channel = 0; channel < channels; channel += 1) {
      const target = this.f32(place(pointers, channel), capacityFrames);
      if (sample === 'f32' && channels === 1 && frames === capacityFrames) {
        target.set(source);
        continue;
      }
      let from = channel * apart;
      for (let frame = 0; frame < frames; frame += 1, from += step) target[frame] = source[from]! * gain;
    }
    this.counts.copied(frames * channels * source.BYTES_PER_ELEMENT);
  }

  /**
   * Copies `frames` frames from one place of 32-bit floats for each channel into `ref`, and says so in its head. What 16 bits
   * can't hold is limited; what is no number becomes 0. Makes no garbage.
   */
  copyOut(pointers: readonly number[], ref: JsBufferRef, frames: number): void {
    const { sample, layout, channels, capacityFrames } = ref.format;
    const target = ref.samples;
    const step = layout === 'planar' ? 1 : channels;
    const apart = layout === 'planar' ? capacityFrames : 1;
    for (let channel = 0; channel < channels; channel += 1) {
      const source = this.f32(place(pointers, channel), capacityFrames);
      let to = channel * apart;
      for (let frame = 0; frame < frames; frame += 1, to += step) {
        target[to] = sample === 'f32' ? source[frame]! : toI16(source[frame]!);
      }
    }
    ref.head[HEAD.frames] = frames;
    this.counts.copied(frames * channels * target.BYTES_PER_ELEMENT);
  }

  /** UTF-8 text at `pointer`. */
  readText(pointer: number, bytes: number): string {
    this.#renew();
    this.#reserve(bytes);
    const text = this.#text.subarray(0, bytes);
    text.set(this.#bytes.subarray(pointer, pointer + bytes));
    this.counts.made(2, 0);
    return this.#decoder.decode(text);
  }

  /** Writes UTF-8 text where `room(bytes)` says, and returns its bytes. */
  writeText(text: string, room: (bytes: number) => number): number {
    this.#reserve(text.length * 3);
    const bytes = this.#encoder.encodeInto(text, this.#text).written;
    const pointer = room(bytes);
    // Making room may have grown the memory.
    this.#renew();
    this.#bytes.set(this.#text.subarray(0, bytes), pointer);
    this.counts.made(1, 0);
    return bytes;
  }

  #reserve(bytes: number): void {
    if (this.#text.length >= bytes) return;
    this.#text = new Uint8Array(2 ** Math.ceil(Math.log2(bytes)));
    this.counts.made(1, this.#text.length);
  }

  #renew(): void {
    if (this.memory.buffer === this.#buffer) return;
    this.#buffer = this.memory.buffer;
    this.#bytes = new Uint8Array(this.#buffer);
    this.#f32.clear();
    this.#i16.clear();
    this.counts.made(1, 0);
    this.counts.renewals += 1;
  }
}

function place(pointers: readonly number[], channel: number): number {
  const pointer = pointers[channel];
  if (pointer === undefined) throw new RangeError(`there is no place for channel ${channel}, only ${pointers.length}`);
  return pointer;
}

function toI16(sample: number): number {
  const scaled = Math.round(sample * I16_SCALE);
  // Storing what is no number in a 16-bit view makes 0 of it; the limits are ours.
  return scaled > I16_SCALE - 1 ? I16_SCALE - 1 : scaled < -I16_SCALE ? -I16_SCALE : scaled;
}
