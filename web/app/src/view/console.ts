/**
 * The console: the engine's own words and answers.
 *
 * Up and Down go through what was typed. Tab completes as long as there is something to complete, and else moves on as everywhere; so
 * nobody is caught in here.
 */

import { common, complete } from '../completion.ts';
import type { Vocabulary } from '../completion.ts';
import { el, say, set } from '../dom.ts';
import { LineHistory } from '../history.ts';
import type { Answer, Cell } from '../source.ts';

const ANSWERS_MAX = 50;
const SUGGESTIONS_MAX = 12;

export interface ConsoleParts {
  command: (line: string) => Promise<Answer>;
  vocabulary: () => Vocabulary;
}

export class ConsoleView {
  readonly element: HTMLElement;
  readonly #parts: ConsoleParts;
  readonly #history = new LineHistory();
  readonly #answers = el('div', { class: 'answers', tabindex: 0, role: 'log', 'aria-label': 'Answers' });
  readonly #suggestions = el('p', { class: 'suggestions', id: 'suggestions', role: 'status' });
  readonly #input = el('input', {
    id: 'line', type: 'text', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false',
    enterkeyhint: 'send', maxlength: 1024, placeholder: 'buffer-status', 'aria-describedby': 'console-help suggestions',
  });

  constructor(parts: ConsoleParts) {
    this.#parts = parts;
    const form = el(
      'form',
      {},
      el('label', { for: 'line' }, 'Command'),
      this.#input,
      el('button', { type: 'submit' }, 'Send'),
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send(this.#input.value);
    });
    this.#input.addEventListener('keydown', (event) => this.#key(event));
    this.#input.addEventListener('input', () => this.#suggest());
    this.element = el(
      'section',
      { class: 'card console', 'aria-labelledby': 'console-title' },
      el('h2', { id: 'console-title' }, 'Console'),
      this.#answers,
      form,
      this.#suggestions,
      el('p', { id: 'console-help', class: 'quiet' }, 'Tab completes, ↑ and ↓ go through what was typed, “help” lists the words.'),
    );
  }

  async #send(typed: string): Promise<void> {
    const line = typed.trim();
    if (line === '') return;
    this.#history.add(line);
    this.#input.value = '';
    say(this.#suggestions, '');
    const answer = await this.#parts.command(line);
    const shown = el('div', { class: answer.ok ? 'answer' : 'answer refused' }, el('p', { class: 'asked' }, line));
    if (answer.text) shown.append(el('pre', {}, answer.text));
    if (answer.rows) shown.append(rowsTable(line, answer.rows));
    this.#append(shown);
  }

  /** A line that the engine tells without being asked. */
  tell(text: string): void {
    this.#append(el('p', { class: 'told' }, text));
  }

  #append(shown: HTMLElement): void {
    this.#answers.append(shown);
    while (this.#answers.children.length > ANSWERS_MAX) this.#answers.firstElementChild?.remove();
    this.#answers.scrollTop = this.#answers.scrollHeight;
  }

  #key(event: KeyboardEvent): void {
    if (event.key === 'ArrowUp') this.#input.value = this.#history.older(this.#input.value);
    else if (event.key === 'ArrowDown') this.#input.value = this.#history.newer();
    else if (event.key === 'Tab' && !event.shiftKey) {
      if (!this.#complete()) return;
    } else return;
    event.preventDefault();
    this.#suggest();
  }

  /** Completes as far as it is clear; false where there is nothing to complete. */
  #complete(): boolean {
    const typed = this.#input.value;
    if (typed.trim() === '') return false;
    const lines = complete(typed, this.#parts.vocabulary());
    if (lines.length === 0) return false;
    const [only] = lines;
    const completed = lines.length === 1 && only !== undefined ? `${only} ` : common(lines);
    if (completed.length <= typed.length) return false;
    this.#input.value = completed;
    return true;
  }

  #suggest(): void {
    const typed = this.#input.value;
    const lines = typed === '' ? [] : complete(typed, this.#parts.vocabulary());
    const words = lines.slice(0, SUGGESTIONS_MAX).map((line) => line.split(' ').pop() ?? '');
    const more = lines.length > SUGGESTIONS_MAX ? ` and ${lines.length - SUGGESTIONS_MAX} more` : '';
    say(this.#suggestions, words.length === 0 ? '' : `${words.join('  ')}${more}`);
  }
}

function rowsTable(line: string, rows: Record<string, Cell>[]): HTMLElement {
  const columns = Object.keys(rows[0] ?? {});
  const text = (cell: Cell | undefined): string => (cell === null || cell === undefined ? '–' : String(cell));
  const numeric = new Set(columns.filter((column) => rows.every((row) => typeof row[column] === 'number' || row[column] === null)));
  const cell = (row: Record<string, Cell>, column: string): HTMLTableCellElement =>
    el('td', numeric.has(column) ? { class: 'number' } : {}, text(row[column]));
  const made = el(
    'table',
    { class: 'data' },
    el('caption', { class: 'unseen' }, `Answer to ${line}`),
    el('thead', {}, el('tr', {}, ...columns.map((column) => el('th', { scope: 'col' }, column.replace(/_/g, ' '))))),
    el('tbody', {}, ...rows.map((row) => el('tr', {}, ...columns.map((column) => cell(row, column))))),
  );
  if (rows.length === 0) return el('p', { class: 'quiet' }, 'No rows.');
  set(made, 'data-rows', rows.length);
  return made;
}
