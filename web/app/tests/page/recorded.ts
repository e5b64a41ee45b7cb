/**
 * The page's source in tests: what an engine told once (`recording.json`, made by `tests/record.mjs`), told again at the pace at which it
 * happened. Nothing is made up here, but for the refusals that a test asks for.
 */

import type { Answer, DataSource, Input, InputKind, Mode, News, Problem, Snapshot, State } from '../../src/source.ts';

export interface Recording {
  rate_hz: number;
  /** By their time, from 0. */
  news: { at_ms: number; news: News }[];
  snapshots: { at_ms: number; snapshot: Snapshot; status: Answer }[];
  /** After the end. */
  closed: Snapshot;
  /** Lines with their answers, in the order in which they were asked. */
  answers: { line: string; answer: Answer }[];
}

export interface Wishes {
  mode: Mode;
  /** The first start fails so. */
  problem: Problem | null;
}

export class RecordedSource implements DataSource {
  readonly inputs: readonly InputKind[] = ['microphone', 'file', 'melody'];
  /** Every console line that was sent. */
  readonly lines: string[] = [];
  readonly #recording: Recording;
  readonly #wishes: Wishes;
  readonly #listeners = new Set<(news: News) => void>();
  #state: State = { is: 'idle' };
  #input: Input | null = null;
  #begun_ms = 0;
  #told = 0;
  #timer = 0;

  constructor(recording: Recording, wishes: Wishes) {
    this.#recording = recording;
    this.#wishes = wishes;
  }

  get state(): State {
    return this.#state;
  }

  listen(listener: (news: News) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async start(input: Input): Promise<void> {
    this.#input = input;
    clearInterval(this.#timer);
    this.#enter({ is: 'starting', input: input.kind });
    await Promise.resolve();
    const { problem, mode } = this.#wishes;
    if (problem) {
      this.#wishes.problem = null;
      this.#enter({ is: 'failed', input: input.kind, problem });
      return;
    }
    this.#begun_ms = performance.now();
    this.#told = 0;
    this.#enter({ is: 'running', input: input.kind, mode, rate_hz: this.#recording.rate_hz });
    this.#timer = window.setInterval(() => this.#play(), 16);
  }

  async retry(): Promise<void> {
    if (this.#input) await this.start(this.#input);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#input) this.#enter({ is: 'stopped', input: this.#input.kind });
  }

  async snapshot(): Promise<Snapshot | null> {
    if (this.#state.is === 'stopped') return this.#recording.closed;
    return this.#now()?.snapshot ?? null;
  }

  async command(line: string): Promise<Answer> {
    this.lines.push(line);
    if (line === 'buffer-status') return this.#now()?.status ?? { ok: true, rows: [] };
    // What was answered after a change holds only where that change was made.
    const changes = (index: number): string[] =>
      this.#recording.answers.slice(0, index).flatMap((each) => (each.line.startsWith('config set') ? [each.line] : []));
    const found = this.#recording.answers.findLast(
      (each, index) => each.line === line && changes(index).every((change) => this.lines.includes(change)),
    );
    if (!found) throw new Error(`the recording has no answer to ${line}`);
    return found.answer;
  }

  #now(): Recording['snapshots'][number] | null {
    const at_ms = performance.now() - this.#begun_ms;
    const past = this.#recording.snapshots.filter((each) => each.at_ms <= at_ms);
    return past[past.length - 1] ?? this.#recording.snapshots[0] ?? null;
  }

  #play(): void {
    const at_ms = performance.now() - this.#begun_ms;
    for (;;) {
      const next = this.#recording.news[this.#told];
      if (!next || next.at_ms > at_ms) return;
      this.#told += 1;
      this.#tell(next.news);
    }
  }

  #enter(state: State): void {
    this.#state = state;
    this.#tell({ type: 'state', state });
  }

  #tell(news: News): void {
    for (const listener of this.#listeners) listener(news);
  }
}
