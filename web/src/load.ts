/** Loading what runs elsewhere: the wasm module, the worklet's file, the Worker. */
import { PcmflowError, textOf } from './errors.js';
import type { Mode } from './modes.js';
import { importedMemory } from './wasm-memory.js';
import { WorkerClient } from './worker-client.js';

/** Addresses; what is left out lies beside this file, where bundlers find it too. */
export interface Urls {
  readonly workletUrl?: string | URL;
  readonly workerUrl?: string | URL;
  readonly wasmUrl?: Partial<Record<Mode, string | URL>>;
}

/** A compiled module, and in shared mode the means to make its memory. */
export interface LoadedWasm {
  readonly module: WebAssembly.Module;
  /** A new memory of the size that the module wants; `null` in plain mode, where it has its own. */
  memory(): WebAssembly.Memory | null;
}

/** Fetches and compiles the build for `mode`. */
export async function loadWasm(mode: Mode, { wasmUrl }: Urls): Promise<LoadedWasm> {
  const beside = mode === 'shared' ? new URL('./pcmflow.shared.wasm', import.meta.url) : new URL('./pcmflow.plain.wasm', import.meta.url);
  const url = wasmUrl?.[mode] ?? beside;
  const response = await fetch(url).catch((thrown: unknown) => {
    throw new PcmflowError('load', `the engine (${url}) can't be loaded: ${textOf(thrown)}`, { cause: thrown });
  });
  if (!response.ok) throw new PcmflowError('load', `the engine (${url}) can't be loaded: the server answered ${response.status}`);
  try {
    const bytes = new Uint8Array(await response.arrayBuffer());
    const limits = importedMemory(bytes);
    if ((limits?.shared ?? false) !== (mode === 'shared')) throw new TypeError(`it is not the build for ${mode} mode`);
    const module = await WebAssembly.compile(bytes);
    return { module, memory: () => (limits === undefined ? null : newMemory(limits.initial, limits.maximum ?? limits.initial)) };
  } catch (thrown) {
    throw new PcmflowError('load', `the engine (${url}) can't be used: ${textOf(thrown)}`, { cause: thrown });
  }
}

function newMemory(initial: number, maximum: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial, maximum, shared: true });
  } catch (thrown) {
    throw new PcmflowError('load', `the browser gives no ${maximum / 16} MiB of address space for the engine: close other tabs, or use plain mode`, { cause: thrown });
  }
}

/** Makes the processor known to the context. */
export async function loadWorklet(context: BaseAudioContext, { workletUrl }: Urls): Promise<void> {
  const url = workletUrl ?? new URL('./worklet.js', import.meta.url);
  try {
    await context.audioWorklet.addModule(url);
  } catch (thrown) {
    throw new PcmflowError('load', `the worklet (${url}) can't be loaded: ${textOf(thrown)}`, { cause: thrown });
  }
}

/** Starts the Worker. That its file can't be loaded is told later, as its death. */
export function startWorker({ workerUrl }: Urls, wake: Int32Array | null): WorkerClient {
  try {
    const worker =
      workerUrl === undefined
        ? new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'pcmflow' })
        : new Worker(workerUrl, { type: 'module', name: 'pcmflow' });
    return new WorkerClient(worker, wake);
  } catch (thrown) {
    throw new PcmflowError('load', `the worker can't be started: ${textOf(thrown)}`, { cause: thrown });
  }
}
