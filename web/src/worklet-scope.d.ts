/** What an AudioWorkletGlobalScope has and TypeScript's DOM library lacks. */
declare abstract class AudioWorkletProcessor {
  readonly port: MessagePort;
  abstract process(inputs: readonly (readonly Float32Array[])[], outputs: readonly Float32Array[][]): boolean;
}

declare function registerProcessor(
  name: string,
  processor: new (options: { processorOptions: unknown }) => AudioWorkletProcessor,
): void;

declare const currentTime: number;
declare const sampleRate: number;
