/**
 * Where the worklet puts its quanta: {@link SharedSink} into the engine's ring on shared memory, {@link BatchSink} into recycled
 * buffers. Both run on the audio thread: once made they allocate nothing for a quantum (a transfer makes its own objects).
 */
import { Batcher } from './batcher.js';
import { JsBufferPool } from './buffer-ref.js';
import { BUFFERS_PREWARMED, buffersMax, type StreamFormat, type WorkletEnd, type WorkletOptions } from './protocol.js';

/** Takes quanta. */
export interface Sink {
  /** `input` has `frames` samples for each channel; `audioMs` is the time of the first. */
  push(input: readonly Float32Array[], frames: number, audioMs: number): void;
  /** Nothing comes for now: what is held back goes out. */
  pause(): void;
  /** The end of the stream, with this side's own count. */
  end(): WorkletEnd;
}

/** What a worklet uses of the shared build. */
interface WorkletExports {
  readonly __stack_pointer: WebAssembly.Global;
  __wasm_init_tls(tls: number): void;
  pcmflow_push(capture: number, frames: number, audioMs: number): number;
}

/** Pushes into the Rust ring: a second instance on the Worker's memory, with a stack and TLS of its own. */
export class SharedSink implements Sink {
  readonly #push: WorkletExports['pcmflow_push'];
  readonly #capture: number;
  readonly #quantum: number;
  readonly #frameMs: number;
  readonly #channels: readonly Float32Array[];
  #frames = 0;

  constructor({ module, memory, place, thread }: NonNullable<WorkletOptions['shared']>, format: StreamFormat) {
    const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as WorkletExports;
    exports.__stack_pointer.value = thread.stack;
    exports.__wasm_init_tls(thread.tls);
    this.#push = exports.pcmflow_push;
    this.#capture = place.capture;
    this.#quantum = format.quantum;
    this.#frameMs = 1000 / format.rate_hz;
    // Shared memory that grows keeps what it had where it was: these stay good.
    this.#channels = place.channels.map((pointer) => new Float32Array(memory.buffer, pointer, format.quantum));
  }

  push(input: readonly Float32Array[], frames: number, audioMs: number): void {
    this.#frames += frames;
    if (frames <= this.#quantum) {
      for (let channel = 0; channel < this.#channels.length; channel += 1) {
        // Fewer channels than agreed happen for a moment when a source is exchanged: the first stands for them.
        this.#channels[channel]!.set(input[channel] ?? input[0]!);
      }
      this.#push(this.#capture, frames, audioMs);
      return;
    }
    this.#pieces(input, frames, audioMs);
  }

  pause(): void {}

  end(): WorkletEnd {
    return { type: 'stopped', frames: this.#frames, lost: 0, untold: null };
  }

  /** Quanta larger than agreed: no browser has them today. */
  #pieces(input: readonly Float32Array[], frames: number, audioMs: number): void {
    for (let from = 0; from < frames; from += this.#quantum) {
      const now = Math.min(this.#quantum, frames - from);
      for (let channel = 0; channel < this.#channels.length; channel += 1) {
        this.#channels[channel]!.set((input[channel] ?? input[0]!).subarray(from, from + now));
      }
      this.#push(this.#capture, now, audioMs + from * this.#frameMs);
    }
  }
}

/** Gathers quanta and hands them over; `port` goes to the Worker. */
export class BatchSink implements Sink {
  readonly #batcher: Batcher;
  readonly #pool: JsBufferPool;
  readonly #frameMs: number;
  #endMs = 0;

  constructor(port: MessagePort, format: StreamFormat) {
    const { rate_hz, channels, quantum: capacityFrames } = format;
    this.#pool = new JsBufferPool({ sample: 'f32', layout: 'planar', channels, capacityFrames }, buffersMax(format));
    this.#pool.prewarm(BUFFERS_PREWARMED);
    this.#batcher = new Batcher(this.#pool, port);
    this.#frameMs = 1000 / rate_hz;
    port.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      this.#pool.recycle(this.#pool.arrive(data));
    };
  }

  push(input: readonly Float32Array[], frames: number, audioMs: number): void {
    this.#endMs = audioMs + frames * this.#frameMs;
    this.#batcher.push(input, frames, audioMs, this.#frameMs);
  }

  pause(): void {
    this.#batcher.flush();
  }

  end(): WorkletEnd {
    this.#batcher.flush();
    const { offered: frames, lost, untold } = this.#batcher;
    return { type: 'stopped', frames, lost, untold: untold === 0 ? null : { frames: untold, endMs: this.#endMs } };
  }
}
