/** {@link Engine}: the raw exports of the wasm module as methods. Runs in the Worker, and in Node. */
import { WasmJsBridge } from './bridge.js';
import { PcmflowError, textOf } from './errors.js';
import type { EngineReport } from './events.js';
import type { CommandAnswer, ConfigTree, ConfigValue, EngineBooks, EngineSnapshot, StreamFormat, StreamPlace, ThreadPlace } from './protocol.js';

/** The version of the contract with the Rust crate that this file is written for. */
const ABI = 1;

/** What a module of either build exports. The thread functions are in the shared build only. */
export interface RawExports {
  readonly memory?: WebAssembly.Memory;
  pcmflow_abi(): number;
  pcmflow_in(bytes: number): number;
  pcmflow_out(): number;
  pcmflow_open(bytes: number): number;
  pcmflow_stream(bytes: number): number;
  pcmflow_stream_end(): number;
  pcmflow_poll(nowMs: number): number;
  pcmflow_events(): number;
  pcmflow_snapshot(): number;
  pcmflow_command(bytes: number): number;
  pcmflow_config(bytes: number): number;
  pcmflow_close(): number;
  pcmflow_push(capture: number, frames: number, audioMs: number): number;
  pcmflow_pushed(capture: number): number;
  pcmflow_panic(): number;
  pcmflow_panic_text(): number;
  pcmflow_thread?(stackBytes: number): number;
  pcmflow_thread_stack?(thread: number): number;
  pcmflow_thread_tls?(thread: number): number;
  pcmflow_thread_ok?(thread: number): number;
  readonly __stack_pointer?: WebAssembly.Global;
  __wasm_init_tls?(tls: number): void;
}

/** The engine of one wasm instance. After a trap every call throws the same error. */
export class Engine {
  readonly raw: RawExports;
  readonly bridge: WasmJsBridge;
  #trap: PcmflowError | undefined;
  #thread = 0;

  private constructor(instance: WebAssembly.Instance, memory: WebAssembly.Memory | null) {
    this.raw = instance.exports as unknown as RawExports;
    const own = memory ?? this.raw.memory;
    if (own === undefined) throw new PcmflowError('load', 'the wasm module has no memory, and none was given to it');
    this.bridge = new WasmJsBridge(own);
    const abi = this.raw.pcmflow_abi();
    if (abi !== ABI) {
      throw new PcmflowError('load', `the wasm module speaks version ${abi}, this package version ${ABI}: use files of one release`);
    }
  }

  /** Instantiates `module`; `memory` is the shared build's, which the first instance sets up. */
  static async instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory | null): Promise<Engine> {
    const imports: WebAssembly.Imports = memory === null ? {} : { env: { memory } };
    try {
      return new Engine(await WebAssembly.instantiate(module, imports), memory);
    } catch (thrown) {
      if (thrown instanceof PcmflowError) throw thrown;
      throw new PcmflowError('load', `the engine can't be set up: ${textOf(thrown)}`, { cause: thrown });
    }
  }

  /** Makes the engine, its session and the default flow. */
  open(config: ConfigTree, nowMs: number): void {
    this.#ask('pcmflow_open', { config, now_ms: nowMs });
  }

  /** Begins the first or the next stream. */
  stream(format: StreamFormat): StreamPlace {
    return this.#ask('pcmflow_stream', format) as StreamPlace;
  }

  /** Ends the stream: what is in the ring is still delivered. */
  streamEnd(): void {
    this.#ask('pcmflow_stream_end');
  }

  /** Runs what is due; answers in how many ms it wants to run again. */
  poll(nowMs: number): number {
    this.#alive();
    try {
      return this.raw.pcmflow_poll(nowMs);
    } catch (thrown) {
      throw this.#died(thrown);
    }
  }

  /** What happened since it was asked last. Makes no garbage where nothing did. */
  events(): readonly EngineReport[] {
    this.#alive();
    try {
      const bytes = this.raw.pcmflow_events();
      return bytes >= 0 && bytes <= NOTHING ? NO_EVENTS : (this.#answer(bytes) as EngineReport[]);
    } catch (thrown) {
      throw this.#died(thrown);
    }
  }

  snapshot(): EngineSnapshot {
    return this.#ask('pcmflow_snapshot') as EngineSnapshot;
  }

  command(line: string, json: boolean): CommandAnswer {
    return this.#ask('pcmflow_command', { line, json }) as CommandAnswer;
  }

  /** Changes keys that may change while it runs; answers the configuration in force. */
  config(set: Readonly<Record<string, ConfigValue>>): unknown {
    return this.#ask('pcmflow_config', { set });
  }

  /** Ends everything; answers the final books. */
  close(): EngineBooks {
    return this.#ask('pcmflow_close') as EngineBooks;
  }

  /** The samples stand at the stream's places; answers the frames for which there was room. */
  push(capture: number, frames: number, audioMs: number): number {
    this.#alive();
    try {
      return this.raw.pcmflow_push(capture, frames, audioMs);
    } catch (thrown) {
      throw this.#died(thrown);
    }
  }

  /** Makes room for another thread; `null` in a build without. */
  thread(stackBytes: number): ThreadPlace | null {
    const { pcmflow_thread: make, pcmflow_thread_stack: stack, pcmflow_thread_tls: tls } = this.raw;
    if (make === undefined || stack === undefined || tls === undefined) return null;
    return this.#guard(() => {
      this.#thread = make(stackBytes);
      if (this.#thread === 0) throw new PcmflowError('load', "there is no memory for the audio thread's stack");
      return { stack: stack(this.#thread), tls: tls(this.#thread) };
    });
  }

  /** Whether the other thread kept to its stack; `null` where there is none. */
  threadWhole(): boolean | null {
    if (this.#thread === 0) return null;
    return this.#guard(() => this.raw.pcmflow_thread_ok?.(this.#thread) === 1);
  }

  #ask(name: TakesMessage | AnswersOnly, message?: unknown): unknown {
    return this.#guard(() => {
      const call = this.raw[name] as (bytes?: number) => number;
      if (message === undefined) return this.#answer(call());
      return this.#answer(call(this.bridge.writeText(JSON.stringify(message), (bytes) => this.raw.pcmflow_in(bytes))));
    });
  }

  #answer(bytes: number): unknown {
    const length = bytes >= 0 ? bytes : -(bytes + 1);
    const text = length === 0 ? 'null' : this.bridge.readText(this.raw.pcmflow_out(), length);
    const answer: unknown = JSON.parse(text);
    if (bytes >= 0) return answer;
    const { error } = answer as { error?: string };
    throw new PcmflowError('engine', error ?? text);
  }

  #guard<T>(run: () => T): T {
    this.#alive();
    try {
      return run();
    } catch (thrown) {
      throw this.#died(thrown);
    }
  }

  #alive(): void {
    if (this.#trap !== undefined) throw this.#trap;
  }

  /** Turns a trap into an error that says what the panic said. The instance is not to be used after it. */
  #died(thrown: unknown): PcmflowError {
    if (thrown instanceof PcmflowError) return thrown;
    this.#trap = new PcmflowError('trap', `the engine died: ${this.#panicText() ?? textOf(thrown)}`, { cause: thrown });
    return this.#trap;
  }

  #panicText(): string | undefined {
    try {
      const bytes = this.raw.pcmflow_panic();
      return bytes > 0 ? this.bridge.readText(this.raw.pcmflow_panic_text(), bytes) : undefined;
    } catch {
      return undefined;
    }
  }
}

type TakesMessage = 'pcmflow_open' | 'pcmflow_stream' | 'pcmflow_command' | 'pcmflow_config';
type AnswersOnly = 'pcmflow_stream_end' | 'pcmflow_snapshot' | 'pcmflow_close';

/** The bytes of `[]`. */
const NOTHING = 2;
const NO_EVENTS: readonly EngineReport[] = [];
