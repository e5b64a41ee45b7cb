/** Where the parts of a flow stand on the page: layers from the sources on, worked out from the links. */

import type { Cell, Snapshot } from './source.ts';

/** Something that holds audio, and how full it is. */
export interface Store {
  name: string;
  fill: number;
  capacity: number;
  unit: 'frames' | 'chunks' | 'buffers';
}

export interface GraphNode {
  name: string;
  state: string;
  error: string | null;
  /** None where only the whole thread's is known. */
  busy_ppm: number | null;
  /** The ring behind a source. */
  ring: Store | null;
  layer: number;
  /** The place in its layer, from 0. */
  row: number;
}

export interface GraphLink {
  store: Store;
  from: string;
  to: string;
  strategy: string;
  pressure: boolean;
  frames_lost: number;
}

export interface Pool {
  name: string;
  held_bytes: number;
  budget_bytes: number;
  hit_rate_ppm: number | null;
  /** One for each size of buffers that there are. */
  classes: Store[];
}

export interface Graph {
  nodes: GraphNode[];
  links: GraphLink[];
  pools: Pool[];
  layers: number;
  /** Nodes of the fullest layer. */
  rows: number;
}

/** How full, from 0 to 1. */
export function filled(store: Store): number {
  if (store.capacity <= 0) return 0;
  return Math.min(1, Math.max(0, store.fill / store.capacity));
}

/** The rings in the rows of `buffer-status`, by the input that fills them. */
export function rings(rows: Record<string, Cell>[]): Map<string, Store> {
  const found = rows.filter((row) => row.kind === 'ring');
  return new Map(
    found.map((row) => {
      const name = String(row.buffer);
      return [name, { name, fill: Number(row.fill), capacity: Number(row.capacity), unit: 'frames' }];
    }),
  );
}

/** The flow of a snapshot, with the rings of its inputs. */
export function graph(snapshot: Snapshot, ring: Map<string, Store>): Graph {
  const links: GraphLink[] = Object.entries(snapshot.links).map(([name, link]) => ({
    store: { name, fill: link.fill, capacity: link.capacity, unit: 'chunks' },
    from: link.from,
    to: link.to,
    strategy: link.strategy,
    pressure: link.pressure.active,
    frames_lost: Object.values(link.lost).reduce((sum: number, frames) => sum + (frames ?? 0), 0),
  }));
  const names = new Set([
    ...Object.keys(snapshot.nodes),
    ...ring.keys(),
    ...links.flatMap((link) => [link.from, link.to]),
  ]);
  const layers = layered([...names].sort(), links);
  const rows = new Map<number, number>();
  const nodes = [...names].sort().map((name) => {
    const layer = layers.get(name) ?? 0;
    const row = rows.get(layer) ?? 0;
    rows.set(layer, row + 1);
    const node = snapshot.nodes[name];
    const busy_ppm = snapshot.thread_busy_ppm === undefined ? (node?.flow.last_1_s.busy_ppm ?? 0) : null;
    return { name, state: node?.state ?? '', error: node?.error ?? null, busy_ppm, ring: ring.get(name) ?? null, layer, row };
  });
  return {
    nodes,
    links,
    pools: Object.entries(snapshot.pools).map(([name, pool]) => ({
      name,
      held_bytes: pool.held_bytes,
      budget_bytes: pool.budget_bytes,
      hit_rate_ppm: pool.hit_rate_ppm,
      classes: pool.classes
        .filter((of) => of.buffers > 0)
        .map((of) => ({ name: `${of.samples}`, fill: of.in_use, capacity: of.buffers, unit: 'buffers' as const })),
    })),
    layers: Math.max(0, ...layers.values()) + 1,
    rows: Math.max(1, ...rows.values()),
  };
}

/** The longest way from a source to each node. A circle, which the engine does not allow, ends where it began. */
function layered(names: string[], links: GraphLink[]): Map<string, number> {
  const layers = new Map(names.map((name) => [name, 0]));
  for (let round = 0; round < names.length; round += 1) {
    let moved = false;
    for (const { from, to } of links) {
      const least = (layers.get(from) ?? 0) + 1;
      if ((layers.get(to) ?? 0) < least && least < names.length) {
        layers.set(to, least);
        moved = true;
      }
    }
    if (!moved) break;
  }
  return layers;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Drawing {
  width: number;
  height: number;
  boxes: Map<string, Box>;
  /** Where a link leaves its node and where it arrives. */
  lines: Map<string, { x1: number; y1: number; x2: number; y2: number }>;
  /** Layers stand below each other: there is no room beside. */
  upright: boolean;
}

const NODE = { width: 132, height: 58 };
const GAP = { along: 150, across: 18, upright: 76 };

/** Places a graph in this many pixels: layers from left to right, or from top to bottom where that does not fit. */
export function placed(of: Graph, width: number): Drawing {
  const upright = of.layers * NODE.width + (of.layers - 1) * GAP.along > width;
  const across = of.rows;
  const cell = upright ? Math.min(NODE.width + GAP.across, width / across) : NODE.height + GAP.across;
  const node_width = upright ? Math.min(NODE.width, cell - 8) : NODE.width;
  const step = upright
    ? NODE.height + GAP.upright
    : NODE.width + (of.layers > 1 ? (width - of.layers * NODE.width) / (of.layers - 1) : 0);
  const height = upright ? of.layers * NODE.height + (of.layers - 1) * GAP.upright : across * cell - GAP.across;
  const boxes = new Map<string, Box>();
  for (const node of of.nodes) {
    const rows = of.nodes.filter((other) => other.layer === node.layer).length;
    const offset = ((upright ? width : height + GAP.across) - rows * cell) / 2 + node.row * cell;
    const along = node.layer * step;
    boxes.set(node.name, {
      x: upright ? offset + (cell - node_width) / 2 : along,
      y: upright ? along : offset,
      width: node_width,
      height: NODE.height,
    });
  }
  const lines = new Map<string, { x1: number; y1: number; x2: number; y2: number }>();
  for (const link of of.links) {
    const [from, to] = [boxes.get(link.from), boxes.get(link.to)];
    if (!from || !to) continue;
    const middle = (box: Box): number => (upright ? box.x + box.width / 2 : box.y + box.height / 2);
    lines.set(
      link.store.name,
      upright
        ? { x1: middle(from), y1: from.y + from.height, x2: middle(to), y2: to.y }
        : { x1: from.x + from.width, y1: middle(from), x2: to.x, y2: middle(to) },
    );
  }
  return { width, height: Math.max(NODE.height, height), boxes, lines, upright };
}
