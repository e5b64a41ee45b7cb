/**
 * Records what the native program tells, for the page's tests: `node tests/record.mjs ../../target/debug/pcmflow` writes
 * `tests/page/recording.json`.
 *
 * It plays its melody in real time to a tracker and a meter, tells its events, and is asked every half second how its buffers are. The
 * console knows no snapshot: those of the recording hold the figures that were answered, in the golden snapshot's shape.
 */

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const RATE_HZ = 48_000;
const LOOK_MS = 500;
/** When it is asked for its words and settings: before the melody ends. */
const ASK_MS = 4_500;

const FLOW = `
nodes = [
  { name = "input", kind = "synth", parameters = { signal = "melody,seed=7", pace = "realtime" } },
  { name = "pitch", kind = "pitch" },
  { name = "level", kind = "level" },
]
pipelines = [
  { from = "input", to = "pitch", priority = "critical" },
  { from = "input", to = "level", priority = "normal" },
]
`;

const program = process.argv[2];
if (!program) throw new Error('which program? node tests/record.mjs ../../target/debug/pcmflow');
const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
const golden = read('../../../crates/pcmflow-engine/src/metrics/tests/snapshot.json');
const file = join(mkdtempSync(join(tmpdir(), 'pcmflow-')), 'flow.toml');
writeFileSync(file, FLOW);

const [news, snapshots, answers, alerts, asked, books] = [[], [], [], new Map(), [], {}];
let begun_ms = null;
let status = null;

const run = spawn(program, ['run', file, '--console', '--json']);
const ask = (line) => {
  asked.push(line);
  run.stdin.write(`${line}\n`);
};

/** The fields of an event in a told line: `pipeline=voice position=256 as_planned=true`. */
function fields(text) {
  const value = (word) => (/^\d+$/.test(word) ? Number(word) : { true: true, false: false, '-': '' }[word] ?? word);
  return Object.fromEntries([...text.matchAll(/(\w+)=(.*?)(?= \w+=|$)/g)].map(([, name, word]) => [name, value(word)]));
}

function told(text, at_ms) {
  const [, time_ns, , source, name, rest] = /^(\d+) (\w+) (\S+) (\w+) (.*)$/.exec(text) ?? [];
  if (name === undefined) return;
  const event = {
    type: 'event',
    name: name.replace(/(?!^)([A-Z])/g, '_$1').toLowerCase(),
    source: source === '-' ? '' : source,
    at_ms: time_ns / 1e6,
    fields: fields(rest),
  };
  news.push({ at_ms, news: event });
  const { alert, subject, value, limit } = event.fields;
  const key = `${alert} ${subject}`;
  const reason = `${subject}: ${alert} is ${value}, limit ${limit}`;
  if (name === 'AlertRaised') alerts.set(key, { rule: alert, subject, since_ns: Number(time_ns), value, limit, reason });
  if (name === 'AlertCleared') alerts.delete(key);
}

/** The figures of a row of `buffer-metrics`. */
function flowOf(row) {
  const ns = (ms) => Math.round((ms ?? 0) * 1e6);
  const figures = {
    ...golden.nodes.pitch.flow.last_1_s,
    chunks: Math.round((row?.frames_per_s ?? 0) / 1_024),
    frames_per_s: row?.frames_per_s ?? 0,
    busy_ppm: (row?.busy_percent ?? 0) * 1e4,
    latency: { ...golden.nodes.pitch.flow.last_1_s.latency, p50_ns: ns(row?.p50_ms), p99_ns: ns(row?.p99_ms), max_ns: ns(row?.max_ms) },
    score: row?.score ?? 0,
  };
  return { ...golden.nodes.pitch.flow, score: figures.score, last_1_s: figures, last_10_s: figures };
}

/** What is delivered is settled: the console doesn't tell how far the books were compared. */
function ledgerOf(frames_in, delivered) {
  return {
    frames_in, delivered, dropped: {}, in_flight: frames_in - delivered, unaccounted: 0,
    settled_position: delivered, settled_unaccounted: 0,
  };
}

function look(metrics, at_ms) {
  const rows = Object.fromEntries(metrics.rows.map((row) => [row.name, row]));
  const frames = (name) => rows[name]?.frames ?? 0;
  const links = status.rows.filter((row) => row.kind === 'link');
  const classes = status.rows.filter((row) => row.kind === 'class');
  const sinks = { pitch: ledgerOf(frames('input'), frames('pitch')), level: ledgerOf(frames('input'), frames('level')) };
  const pipeline = ([name, ledger]) => [
    name,
    { state: 'running', priority: name === 'pitch' ? 'critical' : 'normal', links: [`input→${name}`], flow: flowOf(rows[name]), ledger },
  ];
  const snapshot = {
    ...golden,
    at_ns: Math.round(at_ms * 1e6),
    uptime_ns: Math.round(at_ms * 1e6),
    pipelines: Object.fromEntries(Object.entries(sinks).map(pipeline)),
    links: Object.fromEntries(
      links.map((row) => [
        row.buffer,
        {
          from: row.buffer.split('→')[0], to: row.buffer.split('→')[1], fill: row.fill, capacity: row.capacity, strategy: row.strategy,
          pressure: { active: row.pressure, episodes: 0, current_ns: 0, total_ns: 0 }, lost: {}, flow: flowOf(rows[row.buffer]),
        },
      ]),
    ),
    nodes: Object.fromEntries(['input', 'pitch', 'level'].map((name) => [name, { state: 'running', error: null, flow: flowOf(rows[name]) }])),
    pools: {
      main: {
        ...golden.pools.main,
        held_bytes: 1_041_560,
        budget_bytes: 52_428_800,
        classes: classes.map((row) => ({
          ...golden.pools.main.classes[0], samples: Number(row.buffer.split('/')[1]), buffers: row.capacity, in_use: row.fill,
        })),
      },
    },
    alerts: [...alerts.values()],
    ledger: {
      ...ledgerOf(sinks.pitch.frames_in + sinks.level.frames_in, sinks.pitch.delivered + sinks.level.delivered),
      settled_position: Math.min(sinks.pitch.delivered, sinks.level.delivered),
    },
  };
  snapshots.push({ at_ms, snapshot, status });
}

function take(text) {
  const [, sink, frames_in, delivered, unaccounted] =
    /^(\w+): frames in (\d+) .* delivered (\d+) .* unaccounted (\d+)/.exec(text) ?? [];
  if (sink) books[sink] = { ...ledgerOf(Number(frames_in), Number(delivered)), unaccounted: Number(unaccounted) };
  if (!text.startsWith('{')) return;
  const line = JSON.parse(text);
  const now_ms = performance.now();
  begun_ms ??= now_ms;
  const at_ms = now_ms - begun_ms;
  if (line.told) return told(line.told, at_ms);
  if (line.file) {
    const { position, hz, note, cents, confidence, peak, rms, clipped } = line;
    const heard = line.file === 'pitch' ? { hz, note, cents, confidence } : { peak, rms, clipped };
    news.push({ at_ms, news: { type: line.file, position, at_ms, ...heard } });
    return;
  }
  const question = asked.shift();
  if (question === 'buffer-status') status = line;
  else if (question === 'buffer-metrics') look(line, at_ms);
  else answers.push({ line: question, answer: line });
  if (question !== 'config show') return;
  const keys = line.rows.map((row) => `config get ${row.key}`);
  const more = ['pool status', 'bufer-status', 'config set alerts.latency_ms_on 40', 'config get alerts.latency_ms_on', 'config set alerts.latency_ms_on 0'];
  [...keys, ...more].forEach(ask);
}

for (const stream of [run.stdout, run.stderr]) createInterface({ input: stream }).on('line', take);
ask('events on');
const looking = setInterval(() => ['buffer-status', 'buffer-metrics'].forEach(ask), LOOK_MS);
setTimeout(() => ['help', 'config show'].forEach(ask), ASK_MS);
run.stdin.on('error', () => clearInterval(looking));
run.on('close', () => {
  clearInterval(looking);
  const last = snapshots[snapshots.length - 1].snapshot;
  const pipelines = Object.fromEntries(Object.entries(last.pipelines).map(([name, of]) => [name, { ...of, ledger: books[name] }]));
  const sum = (field) => Object.values(books).reduce((all, of) => all + of[field], 0);
  const ledger = { ...ledgerOf(sum('frames_in'), sum('delivered')), unaccounted: sum('unaccounted') };
  const closed = { ...last, pipelines, ledger, alerts: [] };
  const text = JSON.stringify({ rate_hz: RATE_HZ, news, snapshots, closed, answers });
  writeFileSync(new URL('./page/recording.json', import.meta.url), `${text}\n`);
  console.log(`${news.length} news, ${snapshots.length} snapshots, ${answers.length} answers, ${text.length} bytes`);
});
