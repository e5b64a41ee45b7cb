/** Elements in one expression. No attribute here holds script or style: the page's policy allows neither. */

type Child = Node | string | null | false;
type Attributes = Record<string, string | number | boolean | null>;

function fill<E extends Element>(element: E, attributes: Attributes, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  return fill(document.createElement(tag), attributes, children);
}

export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[Tag] {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

/** Sets an attribute where it differs; false and null take it away. */
export function set(element: Element, name: string, value: string | number | boolean | null): void {
  if (value === null || value === false) {
    element.removeAttribute(name);
    return;
  }
  const text = value === true ? '' : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Sets a text where it differs, so that nothing is laid out again for nothing. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** A table of these rows; the first column names its row. */
export function table(caption: string, columns: string[], rows: string[][]): HTMLTableElement {
  return el(
    'table',
    {},
    el('caption', { class: 'unseen' }, caption),
    el('thead', {}, el('tr', {}, ...columns.map((column) => el('th', { scope: 'col' }, column)))),
    el('tbody', {}, ...rows.map((row) => bodyRow(row))),
  );
}

function bodyRow([first = '', ...rest]: string[]): HTMLTableRowElement {
  return el('tr', {}, el('th', { scope: 'row' }, first), ...rest.map((cell) => el('td', {}, cell)));
}
