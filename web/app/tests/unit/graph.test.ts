import { describe, expect, it } from 'vitest';
import { filled, graph, placed, rings } from '../../src/graph.ts';
import type { Graph } from '../../src/graph.ts';
import type { Cell, Snapshot } from '../../src/source.ts';
import golden from '../../../../crates/pcmflow-engine/src/metrics/tests/snapshot.json';

const snapshot = golden as unknown as Snapshot;
const status: Record<string, Cell>[] = [
  { buffer: 'mic', kind: 'ring', fill: 1_024, capacity: 16_384, fill_percent: 6 },
  { buffer: 'mic-pitch', kind: 'link', fill: 3, capacity: 64, fill_percent: 4 },
];

/** A flow of these links. */
function flow(...links: [from: string, to: string][]): Graph {
  const link = snapshot.links['mic-pitch'];
  if (!link) throw new Error('the golden snapshot has a link');
  const made = links.map(([from, to]) => [`${from}→${to}`, { ...link, from, to }] as const);
  return graph({ ...snapshot, nodes: {}, links: Object.fromEntries(made) }, new Map());
}

describe('the flow of a snapshot', () => {
  it('has nodes, links, rings and pools with their fill', () => {
    const found = graph(snapshot, rings(status));
    expect(found.nodes.map(({ name, layer }) => [name, layer])).toEqual([
      ['mic', 0],
      ['pitch', 1],
    ]);
    expect(found.nodes[0]?.ring).toMatchObject({ fill: 1_024, capacity: 16_384 });
    expect(found.links[0]).toMatchObject({ from: 'mic', to: 'pitch', pressure: true, frames_lost: 192 });
    expect(filled(found.links[0]?.store ?? { name: '', fill: 0, capacity: 0, unit: 'chunks' })).toBeCloseTo(3 / 64);
    expect(found.pools[0]).toMatchObject({ name: 'main', hit_rate_ppm: 999_000 });
  });

  it('stands in layers, each node behind all that feed it', () => {
    const found = flow(['a', 'mix'], ['b', 'filter'], ['filter', 'mix'], ['mix', 'out']);
    const layer = new Map(found.nodes.map((node) => [node.name, node.layer]));
    expect([layer.get('a'), layer.get('filter'), layer.get('mix'), layer.get('out')]).toEqual([0, 1, 2, 3]);
    expect([found.layers, found.rows]).toEqual([4, 2]);
  });

  it('ends, even for links in a circle', () => {
    expect(flow(['a', 'b'], ['b', 'a']).nodes).toHaveLength(2);
  });

  it('is never fuller than full', () => {
    const store = { name: '', capacity: 10, unit: 'frames' as const };
    expect([-1, 0, 5, 20].map((fill) => filled({ ...store, fill }))).toEqual([0, 0, 0.5, 1]);
    expect(filled({ ...store, fill: 3, capacity: 0 })).toBe(0);
  });
});

describe('the drawing', () => {
  const fork = flow(['in', 'left'], ['in', 'right'], ['right', 'end']);

  it.each([1_200, 760, 360, 280])('fits %d pixels, and no node covers another', (width) => {
    const drawing = placed(fork, width);
    const boxes = [...drawing.boxes.values()];
    for (const box of boxes) {
      expect(box.x).toBeGreaterThanOrEqual(0);
      expect(box.x + box.width).toBeLessThanOrEqual(width + 0.01);
      expect(box.y).toBeGreaterThanOrEqual(0);
      expect(box.y + box.height).toBeLessThanOrEqual(drawing.height + 0.01);
    }
    const apart = boxes.every((a, i) =>
      boxes.every(
        (b, j) => i === j || a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y,
      ),
    );
    expect(apart).toBe(true);
    expect(drawing.lines.size).toBe(3);
  });

  it('stands upright where there is no room beside', () => {
    expect(placed(fork, 1_200).upright).toBe(false);
    expect(placed(fork, 360).upright).toBe(true);
  });
});
