/**
 * Records what the engine tells, for the page's tests: `node tests/record.mjs ../dist/pcmflow.plain.wasm` writes `tests/page/recording.json`.
 *
 * The engine is the plain build, driven by a clock of this script. It hears a melody with a little vibrato, is left alone for a while
 * (so that its ring runs over), and is asked what a page asks.
 */

import { readFileSync, writeFileSync } from 'node:fs';

const RATE_HZ = 48_000;
const FRAMES = 1_024;
/** How long it plays; what is left alone and until when. */
const [PLAY_MS, HANG_MS, HANG_UNTIL_MS] = [9_000, 5_200, 5_900];
const LOOK_MS = 500;

const file = process.argv[2];
if (!file) throw new Error('which wasm file? node tests/record.mjs ../dist/pcmflow.plain.wasm');
const { instance } = await WebAssembly.instantiate(readFileSync(file), {});
const raw = instance.exports;

function answer(length) {
  const bytes = length >= 0 ? length : -(length + 1);
  const text = new TextDecoder().decode(new Uint8Array(raw.memory.buffer, raw.pcmflow_out(), bytes));
  const value = bytes === 0 ? null : JSON.parse(text);
  if (length < 0) throw new Error(value?.error ?? text);
  return value;
}

function ask(name, message) {
  const bytes = new TextEncoder().encode(JSON.stringify(message));
  const place = raw.pcmflow_in(bytes.length);
  new Uint8Array(raw.memory.buffer, place, bytes.length).set(bytes);
  return answer(raw[name](bytes.length));
}

function command(line) {
  const { ok, text, answer: found } = ask('pcmflow_command', { line, json: true });
  return { ok, ...found, ...(text === undefined ? {} : { text }) };
}

/** An arpeggio, four cents sharp, each note with a vibrato of ±12 cents and a slow decay. */
function sample(frame) {
  const seconds = frame / RATE_HZ;
  const notes = [57, 61, 64, 69, 66, 64, 61, 57];
  const step = 1.1;
  const within = seconds % step;
  const midi = notes[Math.floor(seconds / step) % notes.length];
  if (within > step - 0.15) return 0;
  const hz = 440 * 2 ** ((midi - 69) / 12);
  // The phase of a vibrato: the integral of the frequency, for small depths.
  const depth = (hz * (2 ** (12 / 1200) - 1)) / 5;
  const phase = 2 * Math.PI * hz * 2 ** (4 / 1200) * within - depth * Math.cos(2 * Math.PI * 5 * within);
  const envelope = Math.min(1, within / 0.02) * Math.exp(-within);
  return envelope * (0.4 * Math.sin(phase) + 0.15 * Math.sin(2 * phase) + 0.08 * Math.sin(3 * phase));
}

ask('pcmflow_open', { config: {}, now_ms: 0 });
raw.pcmflow_poll(0);
const place = ask('pcmflow_stream', { rate_hz: RATE_HZ, channels: 1, quantum: FRAMES });
const [news, snapshots, answers] = [[], [], []];
const block_ms = (FRAMES * 1_000) / RATE_HZ;
let look_ms = 0;

function listen(at_ms) {
  for (const told of answer(raw.pcmflow_events()) ?? []) news.push({ at_ms, news: told });
}

for (let block = 0; block * block_ms < PLAY_MS; block += 1) {
  const now_ms = (block + 1) * block_ms;
  const target = new Float32Array(raw.memory.buffer, place.channels[0], FRAMES);
  for (let frame = 0; frame < FRAMES; frame += 1) target[frame] = sample(block * FRAMES + frame);
  raw.pcmflow_push(place.capture, FRAMES, block * block_ms);
  if (now_ms >= HANG_MS && now_ms < HANG_UNTIL_MS) continue;
  raw.pcmflow_poll(now_ms);
  listen(now_ms);
  if (now_ms >= look_ms) {
    snapshots.push({ at_ms: now_ms, snapshot: answer(raw.pcmflow_snapshot()), status: command('buffer-status') });
    look_ms += LOOK_MS;
  }
}

const keys = command('config show').rows.map((row) => row.key);
const lines = [
  'help',
  'config show',
  ...keys.map((key) => `config get ${key}`),
  'pool status',
  'bufer-status',
  'config set flow.latency_ms_max 40',
  'config get flow.latency_ms_max',
  'config set flow.latency_ms_max 0',
];
for (const line of lines) answers.push({ line, answer: command(line) });
ask('pcmflow_stream_end', null);
raw.pcmflow_poll(PLAY_MS + 100);
const last = answer(raw.pcmflow_snapshot());
const { sinks = {}, ...ledger } = answer(raw.pcmflow_close());
const pipelines = Object.entries(last.pipelines).map(([name, of]) => [name, { ...of, ledger: sinks[name] ?? of.ledger }]);
const closed = { ...last, ledger, pipelines: Object.fromEntries(pipelines), alerts: [] };

const text = JSON.stringify({ rate_hz: RATE_HZ, news, snapshots, closed, answers });
writeFileSync(new URL('./page/recording.json', import.meta.url), `${text}\n`);
console.log(`${news.length} news, ${snapshots.length} snapshots, ${answers.length} answers, ${text.length} bytes`);
