/** The line of the ledger. */

import { el, say, set } from '../dom.ts';
import { ledgerLine } from '../ledger.ts';
import type { Snapshot } from '../source.ts';

export class LedgerView {
  readonly element: HTMLElement;
  readonly #line = el('strong', { class: 'ledger-line' }, 'nothing settled yet');
  readonly #figures = el('span', { class: 'quiet' });

  constructor() {
    this.element = el(
      'section',
      { class: 'card ledger', 'aria-labelledby': 'ledger-title' },
      el('h2', { id: 'ledger-title' }, 'Ledger'),
      el('p', {}, this.#line),
      el('p', {}, this.#figures),
    );
  }

  show(books: Snapshot, rate_hz: number | null, closed: boolean): void {
    const { text, figures, balanced } = ledgerLine(books, rate_hz, closed);
    say(this.#line, text);
    say(this.#figures, figures);
    set(this.element, 'data-balanced', String(balanced));
  }
}
