/**
 * The AudioWorklet processor `pcmflow`: hands what its first input brings to a {@link Sink}, and puts out silence. Built as one plain
 * file without imports. It speaks only when something changes, never for each quantum.
 */
import type { WorkletNotice, WorkletOptions, WorkletOrder } from './protocol.js';
import { BatchSink, SharedSink, type Sink } from './sink.js';

class PcmflowProcessor extends AudioWorkletProcessor {
  #sink: Sink | undefined;
  #engine: MessagePort | undefined;
  #active = false;
  #alive = true;

  constructor({ processorOptions }: { processorOptions: unknown }) {
    super();
    const options = processorOptions as WorkletOptions;
    this.port.onmessage = ({ data }: MessageEvent<WorkletOrder>) => {
      if (data.type === 'port') this.#begin(data.port, options);
      else this.#stop();
    };
  }

  process(inputs: readonly (readonly Float32Array[])[]): boolean {
    const sink = this.#sink;
    if (sink === undefined) return this.#alive;
    const input = inputs[0];
    const frames = input?.[0]?.length ?? 0;
    const active = frames > 0;
    if (active !== this.#active) this.#change(active, sink);
    if (input !== undefined && active) sink.push(input, frames, currentTime * 1000);
    return this.#alive;
  }

  #begin(port: MessagePort, { shared, format }: WorkletOptions): void {
    this.#engine = port;
    this.#sink = shared === null ? new BatchSink(port, format) : new SharedSink(shared, format);
    this.#notify({ type: 'ready' });
  }

  #change(active: boolean, sink: Sink): void {
    this.#active = active;
    if (!active) sink.pause();
    this.#notify({ type: 'input', active });
  }

  #stop(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#alive = false;
    if (sink !== undefined) this.#engine?.postMessage(sink.end());
  }

  #notify(notice: WorkletNotice): void {
    this.port.postMessage(notice);
  }
}

registerProcessor('pcmflow', PcmflowProcessor);
