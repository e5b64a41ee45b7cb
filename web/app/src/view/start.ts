/** Starting and stopping: the inputs, the state and the mode, and what went wrong. */

import { el, say, set } from '../dom.ts';
import type { DataSource, InputKind, Mode, Problem, State } from '../source.ts';

const NAMES: Record<InputKind, string> = { microphone: 'Microphone', file: 'File', melody: 'Melody' };

/** What the state is, as a sentence. */
export function stateText(state: State): string {
  switch (state.is) {
    case 'idle':
      return 'Choose what to listen to.';
    case 'starting':
      return `${NAMES[state.input]}: starting…`;
    case 'running':
      return `${NAMES[state.input]}: listening.`;
    case 'interrupted':
      return `${NAMES[state.input]}: interrupted.`;
    case 'stopped':
      return `${NAMES[state.input]}: stopped.`;
    case 'failed':
      return `${NAMES[state.input]}: not started.`;
  }
}

export function modeText(mode: Mode): { name: string; reason: string; latency: string } {
  const name = { shared: 'Shared memory', plain: 'Transferred batches', native: 'Native engine' }[mode.name];
  const cost = mode.latency_ms;
  const latency = cost === null ? 'its latency is not known' : cost === 0 ? 'adds no latency' : `adds up to ${cost.toFixed(1)} ms`;
  return { name, reason: mode.reason, latency };
}

export class StartView {
  readonly element: HTMLElement;
  readonly #source: DataSource;
  readonly #buttons = new Map<InputKind, HTMLButtonElement>();
  readonly #stop = el('button', { type: 'button', class: 'stop' }, 'Stop');
  readonly #state = el('p', { class: 'state', role: 'status' });
  readonly #mode = el('p', { class: 'mode' });
  readonly #trouble = el('div', { class: 'problem', role: 'alert' });
  readonly #file = el('input', { type: 'file', accept: 'audio/*', class: 'unseen', tabindex: -1, 'aria-label': 'Audio file' });

  constructor(source: DataSource) {
    this.#source = source;
    for (const kind of source.inputs) {
      const button = el('button', { type: 'button' }, NAMES[kind]);
      button.addEventListener('click', () => {
        if (kind === 'file') this.#file.click();
        else void source.start({ kind });
      });
      this.#buttons.set(kind, button);
    }
    this.#file.addEventListener('change', () => {
      const file = this.#file.files?.[0];
      // The same file can be chosen again.
      this.#file.value = '';
      if (file) void source.start({ kind: 'file', file });
    });
    this.#stop.addEventListener('click', () => void source.stop());
    this.element = el(
      'section',
      { class: 'card start', 'aria-labelledby': 'start-title' },
      el('h2', { id: 'start-title', class: 'unseen' }, 'Input'),
      el('div', { class: 'buttons' }, ...this.#buttons.values(), this.#stop, source.inputs.includes('file') ? this.#file : null),
      this.#state,
      this.#mode,
      this.#trouble,
    );
    this.show(source.state);
  }

  show(state: State): void {
    const input = 'input' in state ? state.input : null;
    const runs = state.is === 'running' || state.is === 'starting' || state.is === 'interrupted';
    for (const [kind, button] of this.#buttons) {
      set(button, 'aria-pressed', String(runs && kind === input));
      button.disabled = state.is === 'starting';
    }
    this.#stop.disabled = !runs;
    say(this.#state, stateText(state));
    set(this.element, 'data-state', state.is);
    if (state.is === 'running') {
      const { name, reason, latency } = modeText(state.mode);
      set(this.#mode, 'data-mode', state.mode.name);
      this.#mode.replaceChildren(el('strong', {}, name), ` – ${reason}; ${latency}.`);
    }
    this.#mode.hidden = state.is !== 'running';
    this.#show_problem('problem' in state ? state.problem : null);
  }

  #show_problem(problem: Problem | null): void {
    this.#trouble.hidden = problem === null;
    if (problem === null) {
      this.#trouble.replaceChildren();
      return;
    }
    const retry = el('button', { type: 'button' }, 'Try again');
    retry.addEventListener('click', () => void this.#source.retry());
    const parts: (Node | string)[] = [el('p', {}, el('strong', {}, problem.what), ' ', problem.advice)];
    if (problem.detail !== '') parts.push(el('p', { class: 'detail' }, problem.detail));
    if (problem.can_retry) parts.push(retry);
    this.#trouble.replaceChildren(...parts);
  }
}
