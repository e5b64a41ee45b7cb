/** {@link Flow}: what a page holds. It sets up Worker, worklet and source, notices what happens to them, and recovers. */
import { Emitter, type Listener } from './emitter.js';
import { PcmflowError, textOf } from './errors.js';
import { topicOf, type EngineReport, type FlowState, type PcmflowEvents } from './events.js';
import { loadWasm, loadWorklet, startWorker, type LoadedWasm, type Urls } from './load.js';
import { chooseMode, type Choice, type Findings, type Mode } from './modes.js';
import { probe } from './probe.js';
import type { CommandAnswer, ConfigTree, ConfigValue, FinalBooks, WorkerSnapshot } from './protocol.js';
import { openSource, type Source } from './sources.js';
import { LiveStream } from './stream.js';
import type { WorkerClient } from './worker-client.js';

/** How long a context may take to begin before it counts as suspended. */
const RESUME_MS = 500;

/** Quanta in a batch of plain mode: with quanta of 128 frames it is one block of 1024. */
const BATCH_QUANTA = 8;

/** The quantum of browsers that don't tell theirs. */
const QUANTUM = 128;

/** What to make. */
export interface PcmflowOptions extends Urls {
  readonly source: Source;
  /** Keys that differ from the defaults. */
  readonly config?: ConfigTree;
  /** Where only one will do. */
  readonly mode?: Mode;
  /** A context of the page's: it is left open. Its rate is never forced. */
  readonly context?: AudioContext;
  /** Quanta in a batch of plain mode. */
  readonly batchQuanta?: number;
}

/** What is known at one moment. */
export interface PcmflowSnapshot {
  readonly mode: Mode;
  /** Why this mode. */
  readonly reason: string;
  readonly state: FlowState;
  /** How often the engine was built anew. */
  readonly rebuilds: number;
  readonly found: Findings;
  readonly stream: {
    readonly label: string;
    readonly rate_hz: number;
    readonly channels: number;
    readonly settings: MediaTrackSettings | null;
  } | null;
  readonly latency: {
    /** The longest that a frame waits because of the mode: a batch, or one look of the Worker. */
    readonly mode_ms_max: number;
    /** What the browser says of its own way to the worklet; nothing where it does not say. */
    readonly context_base_ms: number | null;
    readonly context_output_ms: number | null;
  };
  readonly worker: WorkerSnapshot;
}

/** What is known of a state before it is told. */
interface Status {
  failed: PcmflowError | undefined;
  gone: string | undefined;
  closed: boolean;
  active: boolean;
}

/** A running flow. */
export class Flow {
  readonly #emitter = new Emitter<PcmflowEvents>();
  readonly #options: PcmflowOptions;
  readonly #found: Findings;
  readonly #choice: Choice;
  readonly #status: Status = { failed: undefined, gone: undefined, closed: false, active: false };
  /** One change at a time. */
  #changes: Promise<unknown> = Promise.resolve();
  #source: Source;
  #context: BaseAudioContext;
  #wasm: LoadedWasm | undefined;
  #memory: WebAssembly.Memory | null = null;
  #worker: WorkerClient | undefined;
  #stream: LiveStream | undefined;
  #state: FlowState = 'starting';
  #rebuilds = 0;
  readonly #onContext = (): void => this.#update();
  readonly #onDevices = (): void => void this.#devicesChanged();

  private constructor(options: PcmflowOptions, found: Findings, choice: Choice) {
    this.#options = options;
    this.#found = found;
    this.#choice = choice;
    this.#source = options.source;
    this.#context = this.#useContext();
  }

  /** Makes one. The context is made before anything is awaited, so that it counts as the person's click. */
  static async create(options: PcmflowOptions): Promise<Flow> {
    const found = probe();
    const choice = chooseMode(found, options.mode);
    if (choice.mode === null) throw new PcmflowError('refused', choice.reason);
    const flow = new Flow(options, found, choice);
    try {
      await flow.#open();
    } catch (thrown) {
      await flow.close();
      throw asError(thrown);
    }
    return flow;
  }

  get mode(): Mode {
    return this.#choice.mode;
  }

  /** Why this mode. */
  get reason(): string {
    return this.#choice.reason;
  }

  get state(): FlowState {
    return this.#state;
  }

  get context(): BaseAudioContext {
    return this.#context;
  }

  /** Listens to one kind of event; the answer stops it. */
  on<K extends keyof PcmflowEvents>(kind: K, listener: Listener<PcmflowEvents[K]>): () => void {
    return this.#emitter.on(kind, listener);
  }

  /** What is known now. */
  async snapshot(): Promise<PcmflowSnapshot> {
    const worker = await this.#running().call('snapshot', null);
    const stream = this.#stream;
    const format = stream?.format;
    const context = this.#context as Partial<AudioContext>;
    const ms = (seconds: number | undefined): number | null => (seconds === undefined ? null : seconds * 1000);
    return {
      mode: this.mode,
      reason: this.reason,
      state: this.#state,
      rebuilds: this.#rebuilds,
      found: this.#found,
      stream:
        stream === undefined || format === undefined
          ? null
          : { label: stream.source.label, rate_hz: format.rate_hz, channels: format.channels, settings: stream.source.settings },
      latency: {
        mode_ms_max: ((format?.quantum ?? this.#quantum()) / this.#context.sampleRate) * 1000,
        context_base_ms: ms(context.baseLatency),
        context_output_ms: ms(context.outputLatency),
      },
      worker,
    };
  }

  /** Runs a line of the console: `buffer-status`, `help`. */
  command(line: string, { json = false } = {}): Promise<CommandAnswer> {
    return this.#attempt(() => this.#running().call('command', { line, json }));
  }

  /** Changes keys that may change while it runs; answers the configuration in force. */
  setConfig(set: Readonly<Record<string, ConfigValue>>): Promise<unknown> {
    return this.#attempt(() => this.#running().call('config', { set }));
  }

  /** Lets a suspended context run: to be called from a click or a key. */
  async resume(): Promise<void> {
    if ('resume' in this.#context) await (this.#context as AudioContext).resume();
  }

  /**
   * Opens the source (or another) again: after a device is back, after a trap, or to change it. The books go on, and the time
   * between is a gap; after a trap there is a new engine with new books.
   */
  reconnect(source: Source = this.#source): Promise<void> {
    return this.#change(async () => {
      if (this.#status.closed) throw new PcmflowError('closed', 'it was closed: make another one');
      const rebuild = this.#status.failed !== undefined || this.#worker === undefined;
      if (rebuild) this.#teardownEngine();
      else await this.#endStream();
      this.#source = source;
      this.#status.failed = undefined;
      this.#status.gone = undefined;
      this.#update();
      try {
        await this.#renewContext();
        if (rebuild) {
          await this.#startEngine();
          this.#rebuilds += 1;
        }
        await this.#startStream();
      } catch (thrown) {
        const error = asError(thrown);
        if (error.code === 'trap' || this.#worker === undefined) this.#status.failed = error;
        else this.#status.gone = error.message;
        this.#update();
        throw error;
      }
    });
  }

  /** Ends everything and leaves nothing running. Answers the final books; nothing where the engine was dead. */
  close(): Promise<FinalBooks | null> {
    return this.#change(async () => {
      if (this.#status.closed) return null;
      await this.#endStream();
      const books = (await this.#worker?.call('close', null).catch(() => null)) ?? null;
      this.#teardownEngine();
      this.#context.removeEventListener('statechange', this.#onContext);
      navigator.mediaDevices?.removeEventListener('devicechange', this.#onDevices);
      if (this.#ownsContext()) await (this.#context as AudioContext).close().catch(() => {});
      this.#status.closed = true;
      this.#update();
      this.#emitter.clear();
      return books;
    });
  }

  async #open(): Promise<void> {
    await this.#change(async () => {
      navigator.mediaDevices?.addEventListener('devicechange', this.#onDevices);
      const [wasm] = await Promise.all([loadWasm(this.mode, this.#options), loadWorklet(this.#context, this.#options)]);
      this.#wasm = wasm;
      await this.#startEngine();
      await this.#startStream();
    });
  }

  async #startEngine(): Promise<void> {
    const wasm = this.#wasm ?? (await loadWasm(this.mode, this.#options));
    this.#wasm = wasm;
    this.#memory = wasm.memory();
    const wake = this.#memory === null ? null : new SharedArrayBuffer(4);
    const worker = startWorker(this.#options, wake === null ? null : new Int32Array(wake));
    worker.onEvents = (events) => this.#tell(events);
    worker.onDead = (error) => this.#fail(error);
    this.#worker = worker;
    const { module } = wasm;
    const config = this.#options.config ?? {};
    await worker.call('start', { mode: this.mode, module, memory: this.#memory, wake, config, pageTimeOrigin: performance.timeOrigin });
  }

  async #startStream(): Promise<void> {
    const wasm = this.#wasm;
    if (wasm === undefined) throw new PcmflowError('load', 'the engine is not loaded');
    const source = await openSource(this.#source, this.#context);
    try {
      await this.#awaitContext();
      const format = { rate_hz: Math.round(this.#context.sampleRate), channels: source.channels, quantum: this.#quantum() };
      const parts = { context: this.#context, source, worker: this.#running(), wasm, memory: this.#memory, format };
      this.#stream = await LiveStream.begin(parts, {
        input: (active) => {
          this.#status.active = active;
          this.#update();
        },
        gone: (reason) => this.#gone(reason),
        failed: (error) => this.#fail(error),
      });
    } catch (thrown) {
      source.close();
      throw thrown;
    }
    this.#update();
  }

  #quantum(): number {
    const own = (this.#context as { renderQuantumSize?: number }).renderQuantumSize ?? QUANTUM;
    return this.mode === 'shared' ? own : own * (this.#options.batchQuanta ?? BATCH_QUANTA);
  }

  async #endStream(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#status.active = false;
    await stream?.end();
  }

  #teardownEngine(): void {
    this.#stream?.abandon();
    this.#stream = undefined;
    this.#status.active = false;
    this.#worker?.terminate();
    this.#worker = undefined;
  }

  #gone(reason: string): void {
    this.#status.gone = reason;
    this.#update();
    void this.#change(() => this.#endStream());
  }

  #fail(error: PcmflowError): void {
    this.#status.failed = error;
    this.#update();
  }

  #tell(reports: readonly EngineReport[]): void {
    for (const report of reports) {
      switch (report.type) {
        case 'pitch':
          this.#emitter.emit('pitch', report);
          break;
        case 'level':
          this.#emitter.emit('level', report);
          break;
        case 'line':
          this.#emitter.emit('line', report);
          break;
        case 'missed':
          this.#emitter.emit('missed', report);
          break;
        case 'event': {
          this.#emitter.emit('event', report);
          const topic = topicOf(report);
          if (topic !== undefined) this.#emitter.emit(topic, report);
        }
      }
    }
  }

  async #devicesChanged(): Promise<void> {
    const at_ms = performance.now();
    const all = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    const inputs = all.filter(({ kind }) => kind === 'audioinput').map(({ label }) => label);
    if (this.#status.closed) return;
    this.#emitter.emit('devices', { type: 'devices', at_ms, inputs });
    // A microphone that was unplugged may be back.
    const waits = this.#status.gone !== undefined && this.#source.kind === 'microphone' && inputs.length > 0;
    if (waits) await this.reconnect().catch(() => {});
  }

  #useContext(): BaseAudioContext {
    const given = this.#source.kind === 'node' ? this.#source.node.context : this.#options.context;
    const context = given ?? new AudioContext({ latencyHint: 'interactive' });
    context.addEventListener('statechange', this.#onContext);
    if ('resume' in context && context.state !== 'running' && this.#ownsContext()) void (context as AudioContext).resume().catch(() => {});
    return context;
  }

  #ownsContext(): boolean {
    return this.#source.kind !== 'node' && this.#options.context === undefined;
  }

  /** A context that is closed is of no use any more. */
  async #renewContext(): Promise<void> {
    const lost = this.#context.state === 'closed' || (this.#source.kind === 'node' && this.#source.node.context !== this.#context);
    if (lost) {
      this.#context.removeEventListener('statechange', this.#onContext);
      this.#context = this.#useContext();
      await loadWorklet(this.#context, this.#options);
    } else if (this.#context.state !== 'running' && this.#ownsContext()) {
      void this.resume().catch(() => {});
    }
  }

  /** Gives a context of ours a moment to run; where the browser waits for a click it stays suspended, and that is told. */
  async #awaitContext(): Promise<void> {
    const context = this.#context;
    if (context.state === 'running' || !this.#ownsContext()) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        if (context.state !== 'running') return;
        context.removeEventListener('statechange', done);
        resolve();
      };
      context.addEventListener('statechange', done);
      setTimeout(resolve, RESUME_MS);
    });
  }

  #running(): WorkerClient {
    if (this.#status.closed) throw new PcmflowError('closed', 'it was closed: make another one');
    if (this.#worker === undefined) throw this.#status.failed ?? new PcmflowError('closed', 'the engine is not there: reconnect');
    return this.#worker;
  }

  /** What throws becomes a rejection. */
  async #attempt<T>(run: () => Promise<T>): Promise<T> {
    return run();
  }

  #change<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#changes.then(run, run);
    this.#changes = done.catch(() => {});
    return done;
  }

  /** Tells the state where it has changed. */
  #update(): void {
    const [state, reason] = this.#look();
    if (state === this.#state) return;
    this.#state = state;
    const error = this.#status.failed;
    const retriable = state === 'failed' || state === 'ended' || state === 'interrupted';
    const at_ms = performance.now();
    this.#emitter.emit('state', { type: 'state', state, reason, at_ms, retriable, ...(error === undefined ? {} : { error }) });
  }

  #look(): [FlowState, string] {
    const { failed, gone, closed, active } = this.#status;
    if (closed) return ['closed', 'it was closed'];
    if (failed !== undefined) return ['failed', failed.message];
    if (gone !== undefined) return ['ended', gone];
    const context: string = this.#context.state;
    if (context === 'closed') return ['ended', 'the audio context was closed'];
    if (context === 'interrupted') return ['interrupted', 'the system took the audio away for now'];
    if (this.#stream === undefined) return ['starting', 'it is being set up'];
    if (context === 'suspended') return ['suspended', 'the audio context stands still: browsers wait for a click or a key'];
    return active ? ['running', this.reason] : ['silent', 'the source gives no samples'];
  }
}

function asError(thrown: unknown): PcmflowError {
  return thrown instanceof PcmflowError ? thrown : new PcmflowError('load', textOf(thrown), { cause: thrown });
}
