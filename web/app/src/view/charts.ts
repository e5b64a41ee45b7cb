/** Charts of latency, use and hit rate, each with its values as a table for those who can't see it. */

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { el, say, set } from '../dom.ts';
import type { Moment } from '../figures.ts';
import { History, extent } from '../history.ts';

/** Two minutes at two moments a second. */
const MOMENTS = 240;
const HEIGHT = 150;

interface Series {
  label: string;
  field: Exclude<keyof Moment, 'at_s'>;
  /** The property of the style sheet that has its colour. */
  colour: string;
  dash?: number[];
}

interface Chart {
  title: string;
  unit: string;
  /** Where the scale ends; by default where the values do. */
  most?: number;
  decimals: number;
  series: Series[];
}

const CHARTS: Chart[] = [
  {
    title: 'Latency',
    unit: 'ms',
    decimals: 2,
    series: [
      { label: 'half are below', field: 'latency_p50_ms', colour: '--accent' },
      { label: '99 % are below', field: 'latency_p99_ms', colour: '--second', dash: [6, 4] },
    ],
  },
  {
    title: 'Use',
    unit: '%',
    most: 100,
    decimals: 1,
    series: [
      { label: 'the engine', field: 'busy_percent', colour: '--accent' },
      { label: 'fullest link', field: 'fill_percent', colour: '--second', dash: [6, 4] },
    ],
  },
  {
    title: 'Hit rate',
    unit: '%',
    most: 100,
    decimals: 1,
    series: [{ label: 'requests that a pool served at once', field: 'hit_percent', colour: '--accent' }],
  },
];

export class ChartsView {
  readonly element: HTMLElement;
  readonly #charts = CHARTS.map((chart) => new ChartView(chart));

  constructor() {
    this.element = el(
      'section',
      { class: 'card charts', 'aria-labelledby': 'charts-title' },
      el('h2', { id: 'charts-title' }, 'Charts'),
      ...this.#charts.map((chart) => chart.element),
    );
  }

  add(moment: Moment): void {
    for (const chart of this.#charts) chart.add(moment);
  }

  clear(): void {
    for (const chart of this.#charts) chart.clear();
  }

  /** The colours changed. */
  restyle(): void {
    for (const chart of this.#charts) chart.restyle();
  }
}

class ChartView {
  readonly element: HTMLElement;
  readonly #chart: Chart;
  readonly #history: History;
  readonly #place = el('div', { class: 'chart', role: 'img' });
  readonly #cells: HTMLTableCellElement[][];
  #plot: uPlot | null = null;

  constructor(chart: Chart) {
    this.#chart = chart;
    this.#history = new History(1 + chart.series.length, MOMENTS);
    this.#cells = chart.series.map(() => [el('td', {}, '–'), el('td', {}, '–'), el('td', {}, '–')]);
    const rows = chart.series.map((series, index) =>
      el('tr', {}, el('th', { scope: 'row' }, swatch(series), series.label), ...(this.#cells[index] ?? [])),
    );
    const heads = ['Series', 'Now', 'Least', 'Most'].map((head) => el('th', { scope: 'col' }, head));
    this.element = el(
      'figure',
      {},
      el('figcaption', {}, `${chart.title} (${chart.unit})`),
      this.#place,
      el(
        'table',
        { class: 'data' },
        el('caption', { class: 'unseen' }, `${chart.title} of the last two minutes, ${chart.unit}`),
        el('thead', {}, el('tr', {}, ...heads)),
        el('tbody', {}, ...rows),
      ),
    );
    set(this.#place, 'aria-label', `${chart.title} of the last two minutes; its values stand in the table below`);
    new ResizeObserver(() => this.#resize()).observe(this.#place);
  }

  add(moment: Moment): void {
    this.#history.push(moment.at_s, ...this.#chart.series.map((series) => moment[series.field]));
    this.#plot?.setData(this.#data());
    this.#chart.series.forEach((_, index) => {
      const { now, least, most } = extent(this.#history.columns()[index + 1] ?? []);
      [now, least, most].forEach((value, column) => {
        const cell = this.#cells[index]?.[column];
        if (cell) say(cell, value === null ? '–' : value.toFixed(this.#chart.decimals));
      });
    });
  }

  clear(): void {
    this.#history.clear();
    this.#plot?.setData(this.#data());
  }

  restyle(): void {
    this.#plot?.destroy();
    this.#plot = null;
    this.#resize();
  }

  #data(): uPlot.AlignedData {
    return this.#history.columns().map((column) => [...column]) as uPlot.AlignedData;
  }

  #resize(): void {
    const width = this.#place.clientWidth;
    if (width === 0) return;
    if (this.#plot) {
      this.#plot.setSize({ width, height: HEIGHT });
      return;
    }
    const style = getComputedStyle(this.#place);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour('--quiet'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { stroke: colour('--line'), width: 1 },
      font: '11px system-ui, sans-serif',
    };
    const { most } = this.#chart;
    const options: uPlot.Options = {
      width,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false },
        y: { range: (_plot, _least, highest) => [0, most ?? Math.max(1, (highest ?? 0) * 1.15)] },
      },
      axes: [
        { ...axis, size: 26, values: (_plot, ticks) => ticks.map((tick) => `${tick} s`) },
        { ...axis, size: 40 },
      ],
      series: [
        {},
        ...this.#chart.series.map((series) => ({
          label: series.label,
          stroke: colour(series.colour),
          width: 2,
          points: { show: false },
          ...(series.dash ? { dash: series.dash } : {}),
        })),
      ],
    };
    this.#plot = new uPlot(options, this.#data(), this.#place);
  }
}

function swatch(series: Series): HTMLElement {
  return el('span', { class: series.dash ? 'swatch second' : 'swatch', 'aria-hidden': 'true' });
}
