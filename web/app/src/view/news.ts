/** Alerts that stand, and what happened, newest first. */

import { el, say, set } from '../dom.ts';
import { milliseconds } from '../format.ts';
import type { Snapshot } from '../source.ts';
import type { Told } from '../telling.ts';

const LINES_MAX = 100;

export class NewsView {
  readonly element: HTMLElement;
  readonly #alerts = el('ul', { class: 'alerts', tabindex: 0, 'aria-label': 'Alerts now' });
  readonly #calm = el('p', { class: 'quiet' }, 'No alert.');
  readonly #list = el('ol', { class: 'news', tabindex: 0, 'aria-label': 'What happened, newest first', reversed: true });
  readonly #empty = el('p', { class: 'quiet' }, 'Nothing happened yet.');

  constructor() {
    this.element = el(
      'section',
      { class: 'card happens', 'aria-labelledby': 'news-title' },
      el('h2', { id: 'news-title' }, 'Alerts and events'),
      this.#calm,
      this.#alerts,
      this.#empty,
      this.#list,
    );
    this.#list.hidden = true;
    this.#alerts.hidden = true;
  }

  show(alerts: Snapshot['alerts'], now_ns: number): void {
    this.#calm.hidden = alerts.length > 0;
    this.#alerts.hidden = alerts.length === 0;
    const texts = alerts.map((alert) => `${alert.reason}; for ${milliseconds(Math.max(0, now_ns - alert.since_ns))} now`);
    const items = [...this.#alerts.children];
    if (items.length !== texts.length) {
      this.#alerts.replaceChildren(...texts.map((text) => el('li', {}, text)));
      return;
    }
    items.forEach((item, index) => say(item, texts[index] ?? ''));
  }

  add(told: Told, at_ms: number): void {
    this.#empty.hidden = true;
    this.#list.hidden = false;
    const time = el('time', {}, `${(at_ms / 1000).toFixed(2)} s`);
    const item = el('li', {}, time, ' ', told.text);
    set(item, 'data-weight', told.weight);
    this.#list.prepend(item);
    while (this.#list.children.length > LINES_MAX) this.#list.lastElementChild?.remove();
  }
}
