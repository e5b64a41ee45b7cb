/** Settings: the keys that may change while audio runs, each applied as soon as it is changed. */

import { el, say, set } from '../dom.ts';
import { label, setting } from '../settings.ts';
import type { Setting } from '../settings.ts';
import type { Answer } from '../source.ts';

type Control = HTMLInputElement | HTMLSelectElement;

export class SettingsView {
  readonly element: HTMLElement;
  readonly #command: (line: string) => Promise<Answer>;
  /** By their keys. */
  #controls = new Map<string, Control>();
  readonly #body = el('div', { class: 'settings-body' }, el('p', { class: 'quiet' }, 'Start something first: the engine tells its settings.'));
  readonly #status = el('p', { class: 'quiet', role: 'status' });

  constructor(command: (line: string) => Promise<Answer>) {
    this.#command = command;
    this.element = el(
      'section',
      { class: 'card settings', 'aria-labelledby': 'settings-title' },
      el('h2', { id: 'settings-title' }, 'Settings'),
      el('details', {}, el('summary', {}, 'What can change while it runs'), this.#body),
      this.#status,
    );
  }

  /** The settings in force. What somebody is changing just now stays theirs. */
  show(settings: Setting[]): void {
    const live = settings.filter((each) => each.live);
    if (live.length > 0 && live.length === this.#controls.size && live.every((each) => this.#controls.has(each.key))) {
      for (const each of live) {
        const control = this.#controls.get(each.key);
        if (control && control !== document.activeElement) put(control, each);
      }
      return;
    }
    this.#controls = new Map();
    const sections = new Map<string, Setting[]>();
    for (const of of live) {
      const [section = ''] = of.key.split('.');
      sections.set(section, [...(sections.get(section) ?? []), of]);
    }
    const groups = [...sections].map(([section, of]) =>
      el('fieldset', {}, el('legend', {}, section), ...of.map((each) => this.#row(each))),
    );
    this.#body.replaceChildren(...groups);
  }

  #row(of: Setting): HTMLElement {
    const id = `setting-${of.key.replace('.', '-')}`;
    const control = made(of, id);
    this.#controls.set(of.key, control);
    const trouble = el('p', { class: 'trouble', id: `${id}-trouble` });
    control.addEventListener('change', () => void this.#apply(of, control, trouble));
    set(control, 'aria-describedby', `${id}-meaning ${id}-trouble`);
    const meaning = `${of.meaning} (${of.allowed_text})`;
    return el(
      'div',
      { class: 'setting' },
      el('label', { for: id }, label(of.key)),
      control,
      el('p', { class: 'quiet', id: `${id}-meaning` }, meaning),
      trouble,
    );
  }

  /** Changes the key, and shows what is then in force; what is refused stands beside it. */
  async #apply(of: Setting, control: Control, trouble: HTMLElement): Promise<void> {
    const answer = await this.#command(`config set ${of.key} ${valueOf(control)}`);
    const now = setting(await this.#command(`config get ${of.key}`));
    set(control, 'aria-invalid', answer.ok ? null : 'true');
    say(trouble, answer.ok ? '' : (answer.text ?? 'It was refused.'));
    say(this.#status, answer.ok ? (answer.text ?? '') : '');
    // What was refused stays to be corrected; its reason stands below it.
    if (answer.ok && now) put(control, now);
  }
}

function made(of: Setting, id: string): Control {
  const { allowed } = of;
  let control: Control;
  if (allowed.kind === 'word') {
    control = el('select', { id }, ...allowed.words.map((word) => el('option', { value: word }, word)));
  } else if (allowed.kind === 'switch') {
    control = el('input', { id, type: 'checkbox' });
  } else if (allowed.kind === 'number') {
    control = el('input', { id, type: 'number', min: allowed.min, max: allowed.max, step: 1, inputmode: 'numeric' });
  } else {
    control = el('input', { id, type: 'text' });
  }
  put(control, of);
  return control;
}

function put(control: Control, of: Setting): void {
  if (control instanceof HTMLInputElement && control.type === 'checkbox') control.checked = of.value === true;
  else control.value = String(of.value ?? '');
}

function valueOf(control: Control): string {
  if (control instanceof HTMLInputElement && control.type === 'checkbox') return String(control.checked);
  return control.value;
}
