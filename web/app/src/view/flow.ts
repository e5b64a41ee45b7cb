/** A live drawing of the flow: nodes, the fill of every ring and link, and the pools; beside it the same as a table. */

import { el, set, svg, table } from '../dom.ts';
import { bytes, count, percent } from '../format.ts';
import { filled, placed } from '../graph.ts';
import type { Drawing, Graph, GraphLink, GraphNode, Pool, Store } from '../graph.ts';

const BAR = { width: 84, height: 10 };

export class FlowView {
  readonly element: HTMLElement;
  #graph: Graph | null = null;
  readonly #figure = el('div', { class: 'flow-figure' });
  readonly #pools = el('ul', { class: 'pools', 'aria-label': 'Pools' });
  readonly #details = el('details', {}, el('summary', {}, 'The flow as a table'));
  #table = el('table');

  constructor() {
    this.#details.append(this.#table);
    this.element = el(
      'section',
      { class: 'card flow', 'aria-labelledby': 'flow-title' },
      el('h2', { id: 'flow-title' }, 'Flow'),
      this.#figure,
      this.#pools,
      this.#details,
    );
    this.#figure.append(el('p', { class: 'quiet' }, 'The flow is drawn when something runs.'));
    new ResizeObserver(() => this.#draw()).observe(this.#figure);
  }

  show(graph: Graph): void {
    this.#graph = graph;
    this.#draw();
  }

  #draw(): void {
    const graph = this.#graph;
    const width = this.#figure.clientWidth;
    if (!graph || graph.nodes.length === 0 || width === 0) return;
    const drawing = placed(graph, width);
    const picture = svg(
      'svg',
      { viewBox: `-1 -1 ${width + 2} ${drawing.height + 2}`, width, height: drawing.height, role: 'img', 'aria-label': described(graph) },
      svg(
        'defs',
        {},
        svg(
          'marker',
          { id: 'arrow', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' },
          svg('path', { class: 'arrow', d: 'M 0 0 L 8 4 L 0 8 z' }),
        ),
      ),
      ...graph.links.map((link) => drawnLink(link, drawing)).filter((drawn) => drawn !== null),
      ...graph.nodes.map((node) => drawnNode(node, drawing)).filter((drawn) => drawn !== null),
    );
    this.#figure.replaceChildren(picture);
    this.#draw_pools(graph.pools);
    if (!this.#details.open && this.#table.rows.length > 0) return;
    const fresh = asTable(graph);
    this.#table.replaceWith(fresh);
    this.#table = fresh;
  }

  #draw_pools(pools: Pool[]): void {
    const items = pools.map((pool) => {
      const rate = pool.hit_rate_ppm === null ? 'not asked yet' : `${percent(pool.hit_rate_ppm)} hits`;
      return el(
        'li',
        {},
        el('strong', {}, `Pool ${pool.name}`),
        el('span', { class: 'quiet' }, `${bytes(pool.held_bytes)} of ${bytes(pool.budget_bytes)}, ${rate}`),
        el('ul', { class: 'classes' }, ...pool.classes.map((of) => el('li', {}, bar(of), el('span', {}, `${of.name} samples: ${of.fill} of ${of.capacity} in use`)))),
      );
    });
    this.#pools.replaceChildren(...items);
  }
}

function bar(store: Store): HTMLMeterElement {
  const element = el('meter', { min: 0, max: 1, high: 0.9, 'aria-label': store.name });
  element.value = filled(store);
  return element;
}

/** The fill as a bar in the drawing. */
function drawnBar(store: Store, x: number, y: number, width: number): SVGGElement {
  const part = filled(store);
  const level = part >= 0.9 ? 'bar-fill full' : 'bar-fill';
  return svg(
    'g',
    {},
    svg('rect', { class: 'bar', x, y, width, height: BAR.height, rx: 3 }),
    svg('rect', { class: level, x, y, width: (width * part).toFixed(1), height: BAR.height, rx: 3 }),
  );
}

function drawnNode(node: GraphNode, drawing: Drawing): SVGGElement | null {
  const box = drawing.boxes.get(node.name);
  if (!box) return null;
  const middle = box.x + box.width / 2;
  const line = (y: number, style: string, text: string): SVGTextElement =>
    svg('text', { class: style, x: middle, y: box.y + y, 'text-anchor': 'middle' }, document.createTextNode(text));
  const state = node.error === null ? node.state : 'failed';
  const ring = node.ring;
  return svg(
    'g',
    { class: `node ${node.error === null ? '' : 'failed'}` },
    svg('rect', { x: box.x, y: box.y, width: box.width, height: box.height, rx: 10 }),
    line(20, 'node-name', node.name),
    line(37, 'node-state', ring ? `ring ${percent(filled(ring) * 1e6)}` : node.busy_ppm === null ? state : `${state} ${percent(node.busy_ppm)}`),
    ring ? drawnBar(ring, box.x + 10, box.y + 43, box.width - 20) : null,
  );
}

function drawnLink(link: GraphLink, drawing: Drawing): SVGGElement | null {
  const line = drawing.lines.get(link.store.name);
  if (!line) return null;
  // Nearer to where it arrives: links that leave one node are apart there.
  const [x, y] = [line.x1 + 0.62 * (line.x2 - line.x1), line.y1 + 0.62 * (line.y2 - line.y1)];
  const text = `${link.store.fill} of ${link.store.capacity}`;
  const group = svg(
    'g',
    { class: link.pressure ? 'link pressed' : 'link' },
    svg('line', { ...line, 'marker-end': 'url(#arrow)' }),
    svg('rect', { class: 'link-plate', x: x - BAR.width / 2 - 5, y: y - 13, width: BAR.width + 10, height: 30, rx: 6 }),
    drawnBar(link.store, x - BAR.width / 2, y - 9, BAR.width),
    svg('text', { class: 'link-text', x, y: y + 13, 'text-anchor': 'middle' }, document.createTextNode(text)),
  );
  return group;
}

/** The drawing in words. */
function described(graph: Graph): string {
  const links = graph.links.map((link) => {
    const pressed = link.pressure ? ', under back-pressure' : '';
    return `${link.from} to ${link.to}: ${link.store.fill} of ${link.store.capacity} chunks wait${pressed}`;
  });
  return `Flow of ${graph.nodes.length} nodes. ${links.join('. ')}.`;
}

function asTable(graph: Graph): HTMLTableElement {
  const row = (kind: string, store: Store, more: string): string[] => [
    store.name,
    kind,
    `${count(store.fill)} of ${count(store.capacity)} ${store.unit}`,
    percent(filled(store) * 1e6),
    more,
  ];
  const rings = graph.nodes.map((node) => node.ring).filter((ring) => ring !== null);
  const rows = [
    ...rings.map((ring) => row('ring', ring, '')),
    ...graph.links.map((link) => {
      const lost = link.frames_lost > 0 ? `, ${count(link.frames_lost)} frames lost` : '';
      return row('link', link.store, `${link.strategy}${link.pressure ? ', back-pressure' : ''}${lost}`);
    }),
    ...graph.pools.flatMap((pool) =>
      pool.classes.map((of) => row('pool', { ...of, name: `${pool.name}/${of.name}` }, '')),
    ),
  ];
  const made = table('Rings, links and pools', ['Name', 'Kind', 'Fill', 'Full', 'Remarks'], rows);
  set(made, 'class', 'data');
  return made;
}

