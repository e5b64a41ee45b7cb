/**
 * {@link Service}: what runs in the Worker. It owns the engine, answers the page's calls, and drives the engine: in shared mode
 * by timed waits while a stream runs, in plain mode as batches come.
 *
 * In shared mode nobody wakes it for samples (a worklet that notifies takes a lock of the whole process): it looks once a
 * quantum. It returns to its event loop every few ms, and at once when the page changes the wake word.
 */
import { Engine } from './engine.js';
import { PcmflowError, textOf } from './errors.js';
import { Intake, type FromWorklet } from './intake.js';
import { STACK_BYTES } from './protocol.js';
import type { Calls, FinalBooks, FromWorker, Request, StartBody, ThreadPlace, Trouble, WorkerSnapshot } from './protocol.js';

/** How long it stays away from its event loop. */
const SLICE_MS = 25;

/** The longest time between two polls while no stream runs. */
const IDLE_MS_MAX = 100;

/** How long the end of a stream is waited for. */
const END_MS = 250;

/** How often the engine is run in a row when it wants to go on at once. */
const ROUNDS_MAX = 64;

/** What the Service needs of where it runs. */
export interface Host {
  post(message: FromWorker): void;
  /** `performance.now()`. */
  now(): number;
  /** `performance.timeOrigin`. */
  readonly timeOrigin: number;
  /** Runs `step` after the messages that wait by now, without the 4 ms that nested timers cost. */
  soon(step: () => void): void;
}

/** The engine in its Worker. */
export class Service {
  #engine: Engine | undefined;
  #intake: Intake | undefined;
  #wake: Int32Array | undefined;
  #offsetMs = 0;
  /** How long the engine was run in all. */
  #busyMs = 0;
  #quantumMs = 0;
  #streaming = false;
  #thread: ThreadPlace | null = null;
  #port: MessagePort | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sliceAsked = false;
  #over = false;

  constructor(readonly host: Host) {}

  /** Does what the page asks, and answers. */
  async serve(request: Request): Promise<void> {
    const { id } = request;
    try {
      const value = await this.#call(request);
      this.host.post({ type: 'answer', id, value });
    } catch (thrown) {
      // Whoever asked must find the death known already.
      this.#ifDead(thrown);
      this.host.post({ type: 'refused', id, trouble: troubleOf(thrown) });
    }
  }

  async #call(request: Request): Promise<Calls[Request['call']]['answer']> {
    if (request.call === 'start') return this.#start(request.body);
    const { engine, intake } = this.#ready();
    switch (request.call) {
      case 'port':
        this.#listen(request.body.port, intake);
        return null;
      case 'stream': {
        const place = engine.stream(request.body);
        intake.begin(request.body, place, this.#wake === undefined);
        this.#quantumMs = (request.body.quantum / request.body.rate_hz) * 1000;
        this.#streaming = true;
        this.#plan(0);
        return { place, thread: this.#threadOf(engine) };
      }
      case 'endStream':
        await this.#endStream(engine, intake);
        return intake.worklet;
      case 'snapshot':
        return this.#snapshot(engine, intake);
      case 'command':
        return engine.command(request.body.line, request.body.json);
      case 'config':
        return engine.config(request.body.set);
      case 'close':
        return this.#close(engine, intake);
    }
  }

  async #start(body: StartBody): Promise<Calls['start']['answer']> {
    this.#offsetMs = this.host.timeOrigin - body.pageTimeOrigin;
    const engine = await Engine.instantiate(body.module, body.memory);
    engine.open(body.config, this.#now());
    if (body.wake !== null) this.#wake = new Int32Array(body.wake);
    this.#engine = engine;
    this.#intake = new Intake(engine, () => this.#run());
    this.#plan(0);
    return null;
  }

  /** The audio thread's stack: the same again, unless the last worklet did not say that it had stopped. */
  #threadOf(engine: Engine): ThreadPlace | null {
    if (this.#wake === undefined) return null;
    this.#thread ??= engine.thread(STACK_BYTES);
    return this.#thread;
  }

  #ready(): { engine: Engine; intake: Intake } {
    if (this.#engine === undefined || this.#intake === undefined) {
      throw new PcmflowError('engine', 'the engine is not there: start it first');
    }
    return { engine: this.#engine, intake: this.#intake };
  }

  #listen(port: MessagePort, intake: Intake): void {
    this.#port?.close();
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<FromWorklet>) => {
      try {
        intake.take(data, port);
      } catch (thrown) {
        this.host.post({ type: 'dead', trouble: troubleOf(thrown) });
        this.#stop();
      }
    };
  }

  async #endStream(engine: Engine, intake: Intake): Promise<void> {
    if (!this.#streaming) return;
    // The worklet says when it has pushed the last; the loop goes on meanwhile.
    if (!(await intake.end(END_MS))) this.#thread = null;
    this.#streaming = false;
    engine.streamEnd();
    this.#run();
  }

  #snapshot(engine: Engine, intake: Intake): WorkerSnapshot {
    return {
      engine: engine.snapshot(),
      boundary: { worker: engine.bridge.counts.figures(), worklet: intake.workletBoundary },
      buffers: intake.buffers(),
      frames_astray: intake.astray,
      busy_ms: this.#busyMs,
      worklet: intake.worklet,
      stack_whole: engine.threadWhole(),
    };
  }

  async #close(engine: Engine, intake: Intake): Promise<FinalBooks> {
    await this.#endStream(engine, intake);
    this.#run();
    // From here on the engine answers nothing any more.
    const ledger = engine.close();
    this.#stop();
    return { ledger, worklet: intake.worklet, frames_astray: intake.astray };
  }

  /** Nothing that could call it again is left. */
  #stop(): void {
    this.#over = true;
    this.#streaming = false;
    clearTimeout(this.#timer);
    this.#port?.close();
  }

  #now(): number {
    return this.host.now() + this.#offsetMs;
  }

  /** Runs what is due and tells what came of it; answers in how many ms more is due. */
  #run(): number {
    const { engine } = this.#ready();
    const began = this.host.now();
    let wanted = engine.poll(this.#now());
    for (let round = 1; wanted <= 0 && round < ROUNDS_MAX; round += 1) wanted = engine.poll(this.#now());
    this.#tell(engine);
    this.#busyMs += this.host.now() - began;
    return wanted;
  }

  #tell(engine: Engine): void {
    const events = engine.events();
    if (events.length > 0) this.host.post({ type: 'events', events });
  }

  #plan(wantedMs: number): void {
    if (this.#over) return;
    clearTimeout(this.#timer);
    if (this.#streaming && this.#wake !== undefined) {
      if (this.#sliceAsked) return;
      this.#sliceAsked = true;
      this.host.soon(this.#nextSlice);
    } else {
      this.#timer = setTimeout(() => this.#step(), Math.min(Math.max(wantedMs, 1), IDLE_MS_MAX));
    }
  }

  readonly #nextSlice = (): void => {
    this.#sliceAsked = false;
    this.#step();
  };

  #step(): void {
    if (this.#over) return;
    try {
      const wanted = this.#streaming && this.#wake !== undefined ? this.#slice(this.#wake) : this.#run();
      this.#plan(wanted);
    } catch (thrown) {
      this.host.post({ type: 'dead', trouble: troubleOf(thrown) });
      this.#stop();
    }
  }

  /** Polls and waits in turn for a while. */
  #slice(wake: Int32Array): number {
    const seen = Atomics.load(wake, 0);
    const until = this.host.now() + SLICE_MS;
    for (;;) {
      const wanted = Math.min(Math.max(this.#run(), 0), this.#quantumMs);
      if (Atomics.wait(wake, 0, seen, wanted) !== 'timed-out' || this.host.now() >= until) return 0;
    }
  }

  #ifDead(thrown: unknown): void {
    if (!(thrown instanceof PcmflowError) || thrown.code !== 'trap') return;
    this.host.post({ type: 'dead', trouble: troubleOf(thrown) });
    this.#stop();
  }
}

function troubleOf(thrown: unknown): Trouble {
  if (thrown instanceof PcmflowError && thrown.code !== 'trap') return { code: 'engine', message: thrown.message };
  return { code: 'trap', message: textOf(thrown) };
}
