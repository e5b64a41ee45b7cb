/** What the charts show of a snapshot. */

import type { Snapshot } from './source.ts';

/** One moment of all charts; null where there is nothing to say. */
export interface Moment {
  at_s: number;
  /** Of the pipeline that is worst, in the last second. */
  latency_p50_ms: number | null;
  latency_p99_ms: number | null;
  /** Of the engine's thread; where that is not told, of the node that is busiest. */
  busy_percent: number | null;
  /** Of the link that is fullest. */
  fill_percent: number | null;
  /** Of the pool that does worst, in the last 10 s. */
  hit_percent: number | null;
}

export function moment(snapshot: Snapshot): Moment {
  const flows = Object.values(snapshot.pipelines).map((pipeline) => pipeline.flow.last_1_s);
  const moving = flows.filter((flow) => flow.chunks > 0);
  const nodes = Object.values(snapshot.nodes).map((node) => node.flow.last_1_s.busy_ppm);
  const links = Object.values(snapshot.links).filter((link) => link.capacity > 0);
  const rates = Object.values(snapshot.pools).map((pool) => pool.hit_rate_10_s_ppm ?? pool.hit_rate_ppm);
  return {
    at_s: snapshot.at_ns / 1e9,
    latency_p50_ms: most(moving.map((flow) => flow.latency.p50_ns / 1e6)),
    latency_p99_ms: most(moving.map((flow) => flow.latency.p99_ns / 1e6)),
    busy_percent: snapshot.thread_busy_ppm === undefined ? most(nodes.map((ppm) => ppm / 1e4)) : snapshot.thread_busy_ppm / 1e4,
    fill_percent: most(links.map((link) => (100 * link.fill) / link.capacity)),
    hit_percent: least(rates.filter((ppm) => ppm !== null).map((ppm) => ppm / 1e4)),
  };
}

function most(values: number[]): number | null {
  return values.length === 0 ? null : Math.max(...values);
}

function least(values: number[]): number | null {
  return values.length === 0 ? null : Math.min(...values);
}
