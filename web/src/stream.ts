/** {@link LiveStream}: one run of samples from an open source through a worklet node of its own into the Worker. */
import { PcmflowError, textOf } from './errors.js';
import type { LoadedWasm } from './load.js';
import type { StreamBegun, StreamFormat, WorkletFigures, WorkletNotice, WorkletOptions, WorkletOrder } from './protocol.js';
import type { OpenSource } from './sources.js';
import type { WorkerClient } from './worker-client.js';

/** How long a running context's worklet may take to begin. */
const READY_MS = 3_000;

/** What a stream tells. */
export interface StreamListener {
  /** Samples come, or come no more. */
  input(active: boolean): void;
  /** The source is gone. */
  gone(reason: string): void;
  /** The worklet died. */
  failed(error: PcmflowError): void;
}

/** What a stream is made of. */
export interface StreamParts {
  readonly context: BaseAudioContext;
  readonly source: OpenSource;
  readonly worker: WorkerClient;
  readonly wasm: LoadedWasm;
  /** The Worker's shared memory; `null` in plain mode. */
  readonly memory: WebAssembly.Memory | null;
  readonly format: StreamFormat;
}

/** Samples on their way. */
export class LiveStream {
  readonly #parts: StreamParts;
  readonly #node: AudioWorkletNode;
  #over = false;

  private constructor(parts: StreamParts, node: AudioWorkletNode) {
    this.#parts = parts;
    this.#node = node;
  }

  /** The source that it was made of. */
  get source(): OpenSource {
    return this.#parts.source;
  }

  get format(): StreamFormat {
    return this.#parts.format;
  }

  /**
   * Sets up the way and lets samples in: not before both ends are ready, so none is missed.
   *
   * In a context that stands still it answers at once; samples come when the context runs.
   */
  static async begin(parts: StreamParts, listener: StreamListener): Promise<LiveStream> {
    const { context, source, worker, format } = parts;
    const begun = await worker.call('stream', format);
    const { port1, port2 } = new MessageChannel();
    await worker.call('port', { port: port2 }, [port2]);
    const node = makeNode(parts, begun);
    const stream = new LiveStream(parts, node);
    const ready = new Promise<void>((resolve, reject) => {
      node.onprocessorerror = (event) => {
        const what = 'message' in event && typeof event.message === 'string' ? event.message : 'no reason was given';
        const error = new PcmflowError('trap', `the audio thread's part died: ${what}`);
        reject(error);
        listener.failed(error);
      };
      node.port.onmessage = ({ data }: MessageEvent<WorkletNotice>) => {
        if (data.type === 'ready') {
          source.node.connect(node);
          source.start();
          resolve();
        } else listener.input(data.active);
      };
    });
    ready.catch(() => {});
    stream.#order({ type: 'port', port: port1 }, [port1]);
    source.onGone((reason) => listener.gone(reason));
    node.connect(context.destination);
    if (context.state === 'running') await within(ready, READY_MS);
    return stream;
  }

  /** Ends it: what is on its way still arrives. Answers what the worklet counted in all streams so far. */
  async end(): Promise<WorkletFigures | null> {
    if (this.#over) return null;
    this.#over = true;
    this.#order({ type: 'stop' });
    const figures = await this.#parts.worker.call('endStream', null).catch(() => null);
    this.#release();
    return figures;
  }

  /** Lets go without waiting for anybody: the Worker is dead. */
  abandon(): void {
    if (this.#over) return;
    this.#over = true;
    this.#order({ type: 'stop' });
    this.#release();
  }

  #release(): void {
    this.#node.onprocessorerror = null;
    this.#node.port.onmessage = null;
    this.#node.disconnect();
    this.#parts.source.close();
    // A node of the page's goes on living: only the way to us goes.
    try {
      this.#parts.source.node.disconnect(this.#node);
    } catch {
      // It was not connected, or closing the source has done it.
    }
  }

  #order(order: WorkletOrder, transfer: Transferable[] = []): void {
    this.#node.port.postMessage(order, transfer);
  }
}

function makeNode({ context, wasm, memory, format }: StreamParts, { place, thread }: StreamBegun): AudioWorkletNode {
  const shared = memory === null || thread === null ? null : { module: wasm.module, memory, place, thread };
  const processorOptions: WorkletOptions = { format, shared };
  try {
    return new AudioWorkletNode(context, 'pcmflow', {
      numberOfInputs: 1,
      numberOfOutputs: 1,
      outputChannelCount: [1],
      channelCount: format.channels,
      channelCountMode: 'explicit',
      channelInterpretation: 'speakers',
      processorOptions,
    });
  } catch (thrown) {
    throw new PcmflowError('load', `the worklet can't be made: ${textOf(thrown)}`, { cause: thrown });
  }
}

async function within(ready: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new PcmflowError('timeout', `the audio thread did not begin within ${ms / 1000} s: reconnect, or reload the page`)), ms);
  });
  try {
    await Promise.race([ready, late]);
  } finally {
    clearTimeout(timer);
  }
}
