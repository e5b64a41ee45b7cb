/** Light, dark, or as the system has it. */

import { el, say, set } from '../dom.ts';

const THEMES = ['system', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];
const STORED = 'pcmflow.theme';

function stored(): Theme {
  try {
    const found = localStorage.getItem(STORED);
    return THEMES.find((theme) => theme === found) ?? 'system';
  } catch {
    return 'system';
  }
}

/** A button that goes through the themes; `changed` is called whenever the colours may have changed. */
export function themeButton(changed: () => void): HTMLButtonElement {
  let theme = stored();
  const button = el('button', { type: 'button', class: 'theme' });
  const apply = (): void => {
    set(document.documentElement, 'data-theme', theme === 'system' ? null : theme);
    say(button, `Colours: ${theme}`);
    changed();
  };
  button.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'system';
    try {
      localStorage.setItem(STORED, theme);
    } catch {
      // Where nothing may be stored it lasts as long as the page.
    }
    apply();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
  apply();
  return button;
}
