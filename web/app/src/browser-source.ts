/** The package `pcmflow` as the page’s source: the engine runs in a Worker of this page. */

import { createPcmflow } from 'pcmflow';
import type { Pcmflow, Source, StateEvent } from 'pcmflow';
import { problemOf } from './problems.ts';
import type { Answer, BusEvent, DataSource, Input, InputKind, Mode, News, Problem, Snapshot, State } from './source.ts';

type Ledger = Snapshot['ledger'];

export class BrowserSource implements DataSource {
  readonly inputs: readonly InputKind[] = ['microphone', 'file', 'melody'];
  readonly #listeners = new Set<(news: News) => void>();
  #state: State = { is: 'idle' };
  #flow: Pcmflow | null = null;
  #input: Input | null = null;
  /** What was known last. */
  #last: Snapshot | null = null;
  /** How long the engine's thread had worked then, and when that was. */
  #busy = { busy_ms: 0, at_ms: 0 };
  /** Counts starts and stops: what was begun before the last one counts no more. */
  #turn = 0;

  get state(): State {
    return this.#state;
  }

  listen(listener: (news: News) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async start(input: Input): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    this.#input = input;
    this.#enter({ is: 'starting', input: input.kind });
    // The audio context is made before anything is awaited: browsers want it to be the person's click.
    const made = createPcmflow({ source: sourceOf(input) });
    const [flow] = await Promise.all([made.catch((error: unknown) => problemOf(error, input.kind)), this.#end()]);
    if (isProblem(flow)) {
      if (turn === this.#turn) this.#enter({ is: 'failed', input: input.kind, problem: flow });
      return;
    }
    if (turn !== this.#turn) {
      await flow.close();
      return;
    }
    this.#flow = flow;
    this.#follow(flow);
    await this.#running(flow);
  }

  async retry(): Promise<void> {
    const [flow, input] = [this.#flow, this.#input];
    if (!input) return;
    if (!flow || flow.state === 'closed') return this.start(input);
    try {
      if (flow.state === 'suspended') await flow.resume();
      else await flow.reconnect();
      await this.#running(flow);
    } catch (error) {
      if (flow === this.#flow) this.#enter({ is: 'interrupted', input: input.kind, problem: problemOf(error, input.kind) });
    }
  }

  async stop(): Promise<void> {
    this.#turn += 1;
    await this.#end();
    if (this.#input) this.#enter({ is: 'stopped', input: this.#input.kind });
  }

  async snapshot(): Promise<Snapshot | null> {
    const flow = this.#flow;
    // An engine that is dead or just closing says nothing: what it said last still stands.
    const found = await flow?.snapshot().catch(() => null);
    // The package hands it on as it is; its shape is generated from the engine's.
    if (found && flow === this.#flow) {
      this.#last = { ...(found.worker.engine as unknown as Snapshot), thread_busy_ppm: this.#busySince(found.worker.busy_ms) };
    }
    return this.#last;
  }

  #busySince(busy_ms: number): number {
    const [before, at_ms] = [this.#busy, performance.now()];
    this.#busy = { busy_ms, at_ms };
    // Another engine begins at 0.
    if (busy_ms < before.busy_ms || at_ms <= before.at_ms) return 0;
    return Math.min(1e6, (1e6 * (busy_ms - before.busy_ms)) / (at_ms - before.at_ms));
  }

  async command(line: string): Promise<Answer> {
    if (!this.#flow) return { ok: false, text: 'Nothing runs: start an input first.' };
    try {
      const { ok, text, answer } = await this.#flow.command(line, { json: true });
      return { ok, ...(answer as Partial<Answer> | undefined), ...(text === undefined ? {} : { text }) };
    } catch (error) {
      return { ok: false, text: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Closes the flow; its final books are what was known last. */
  async #end(): Promise<void> {
    const flow = this.#flow;
    if (!flow) return;
    await this.snapshot();
    this.#flow = null;
    const books = await flow.close();
    if (!books || !this.#last) return;
    // Beside the books of all stand those of each sink.
    const { sinks = {}, ...ledger } = books.ledger as unknown as Ledger & { sinks?: Record<string, Ledger> };
    const pipelines = Object.entries(this.#last.pipelines).map(([name, pipeline]) => {
      return [name, { ...pipeline, ledger: sinks[name] ?? pipeline.ledger }] as const;
    });
    this.#last = { ...this.#last, ledger, pipelines: Object.fromEntries(pipelines), alerts: [] };
  }

  #follow(flow: Pcmflow): void {
    const tell = (news: News): void => {
      if (flow === this.#flow) this.#tell(news);
    };
    flow.on('pitch', tell);
    flow.on('level', tell);
    flow.on('missed', tell);
    flow.on('line', tell);
    // The package knows names and values as texts and numbers; which there are is generated from the engine.
    flow.on('event', (event) => tell(event as unknown as BusEvent));
    flow.on('state', (change) => {
      if (flow === this.#flow) void this.#change(flow, change);
    });
  }

  async #change(flow: Pcmflow, { state, reason, error }: StateEvent): Promise<void> {
    const kind = this.#input?.kind ?? 'microphone';
    const interrupted = (what: string, advice: string): void => {
      this.#enter({ is: 'interrupted', input: kind, problem: { what, advice, detail: reason, can_retry: true } });
    };
    switch (state) {
      case 'running':
      case 'silent':
        return this.#running(flow);
      case 'suspended':
        return interrupted('The browser holds the sound back.', 'It waits for a click: try again.');
      case 'interrupted':
        return interrupted('The system took the sound away.', 'Try again when the call or the other program is over.');
      case 'ended':
        // A file and the melody come to their end; a microphone does not.
        if (kind !== 'microphone') return this.stop();
        return interrupted('The microphone is gone.', 'Plug it in again, or allow it again, and try again.');
      case 'failed':
        return this.#enter({ is: 'failed', input: kind, problem: problemOf(error ?? new Error(reason), kind) });
      default:
        return;
    }
  }

  async #running(flow: Pcmflow): Promise<void> {
    const input = this.#input?.kind ?? 'microphone';
    const { mode, reason, latency, stream, state } = await flow.snapshot();
    if (flow !== this.#flow || (state !== 'running' && state !== 'silent')) return;
    const way: Mode = { name: mode, reason, latency_ms: latency.mode_ms_max };
    this.#enter({ is: 'running', input, mode: way, rate_hz: stream?.rate_hz ?? null });
  }

  #enter(state: State): void {
    this.#state = state;
    this.#tell({ type: 'state', state });
  }

  #tell(news: News): void {
    for (const listener of this.#listeners) listener(news);
  }
}

function isProblem(made: Pcmflow | Problem): made is Problem {
  return 'can_retry' in made;
}

function sourceOf(input: Input): Source {
  switch (input.kind) {
    case 'microphone':
      return { kind: 'microphone' };
    case 'file':
      return { kind: 'file', file: input.file, audible: true };
    case 'melody':
      return { kind: 'synthetic', audible: true };
  }
}
