/** A WAV as the microphone, in both modes: what is heard, and that the books balance. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, openPage } from '../support/browser.js';
import { serve } from '../support/server.js';
import { judge, recordings, sines, type Tune } from '../support/tones.js';
import { writeWav } from '../support/wav.js';

/** Where the recordings are. A folder that is not there fails the test; only where none is named it is skipped, and says so. */
const CORPUS = process.env['PCMFLOW_CORPUS'];
if (CORPUS === undefined) console.warn('PCMFLOW_CORPUS names no folder of recordings: the test of ten recordings is skipped');

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'pcmflow-'))));
afterAll(() => rm(folder, { recursive: true }));

/** Listens to `tune` for `seconds` on a page of its own. */
async function listen(tune: Tune, seconds: number, isolated: boolean) {
  const wav = join(folder, 'microphone.wav');
  await writeFile(wav, writeWav(tune));
  const served = await serve(isolated);
  // Played once: a sound that began anew would be another than the one that is judged.
  const browser = await launch({ microphoneWav: `${wav}%noloop` });
  try {
    const { page, complaints } = await openPage(browser, served.origin);
    const result = await page.evaluate(async (ms) => {
      const { context, counted } = await window.countingContext();
      const { flow, told } = await window.listenTo({ source: { kind: 'microphone' }, context });
      await new Promise((resolve) => setTimeout(resolve, ms));
      const snapshot = await flow.snapshot();
      const status = await flow.command('buffer-status');
      const books = await flow.close();
      // The page's own context is left as it was.
      const left = context.state;
      const count = await counted();
      await context.close();
      return { told, snapshot, status, books, left, count };
    }, seconds * 1000);
    // Nothing is left running; the browser tells of a Worker's end a moment later.
    await expect.poll(() => page.workers().length).toBe(0);
    return { ...result, complaints };
  } finally {
    await browser.close();
    await served.close();
  }
}

/** What must hold of any run. */
function sound({ told, snapshot, books, count, complaints, left }: Awaited<ReturnType<typeof listen>>, seconds: number) {
  expect(complaints).toEqual([]);
  expect(told.missed).toEqual([]);
  expect(told.gap).toEqual([]);
  expect(snapshot.state).toBe('running');
  expect(snapshot.worker.frames_astray).toBe(0);
  expect(snapshot.worker.engine.ledger.settled_unaccounted).toBe(0);
  if (books === null) throw new Error('there are no books');
  const { worklet, ledger, frames_astray } = books;
  expect(frames_astray).toBe(0);
  // The test's own count in the worklet against the package's there, and against the engine's.
  expect(count).toMatchObject({ streams: 1, missing: 0 });
  expect(count.frames).toBeGreaterThan((seconds - 1) * snapshot.stream!.rate_hz);
  expect(worklet).toEqual({ frames: count.frames, lost: 0 });
  for (const sink of ['pitch', 'level']) {
    expect(ledger.sinks[sink]).toMatchObject({ frames_in: count.frames, delivered: count.frames, dropped: {}, in_flight: 0, unaccounted: 0 });
  }
  expect(ledger).toMatchObject({ unaccounted: 0, is_over: true });
  // Block follows block, from the first that the page heard of to the last.
  const apart = told.level.filter(({ position }, n) => n > 0 && position !== told.level[n - 1]!.position + told.level[n - 1]!.frames);
  expect(apart).toEqual([]);
  expect(told.level.length).toBeGreaterThan(((seconds - 1) * snapshot.stream!.rate_hz) / 1024);
  expect(left).toBe('running');
}

describe.each([
  ['isolated', true, 'shared'],
  ['not isolated', false, 'plain'],
] as const)('a page that is %s', (_, isolated, mode) => {
  it(`hears tones in ${mode} mode`, async () => {
    const tune = sines([440, 196, 987.767, 130.813], 1.5);
    const run = await listen(tune, 6, isolated);
    expect(run.snapshot.mode).toBe(mode);
    expect(run.snapshot.reason).toMatch(isolated ? /is isolated/ : /not cross-origin isolated/);
    expect(run.snapshot.latency.mode_ms_max).toBeCloseTo(((isolated ? 128 : 1024) / run.snapshot.stream!.rate_hz) * 1000, 6);
    expect(run.status).toMatchObject({ ok: true, text: expect.stringContaining('input') });
    sound(run, 6);
    for (const verdict of judge(run.told.pitch, tune.expected, 0.2).verdicts) {
      expect(verdict.heard, verdict.name).toBeGreaterThan(15);
      expect(Math.abs(verdict.cents), verdict.name).toBeLessThan(10);
    }
  });

  it.skipIf(CORPUS === undefined)(`hears ten recordings of more than a minute in ${mode} mode`, async () => {
    const tune = await recordings(CORPUS!, 64);
    const run = await listen(tune, 63, isolated);
    expect(run.snapshot.mode).toBe(mode);
    sound(run, 63);
    const { verdicts } = judge(run.told.pitch, tune.expected, 0.2);
    console.log([`${mode} mode, ${run.count.frames} frames`, ...verdicts.map(({ name, heard, cents }) => `${name}: ${heard} pitches, ${cents.toFixed(1)} cents`)].join('\n'));
    expect(verdicts).toHaveLength(10);
    for (const verdict of verdicts) {
      expect(verdict.heard, verdict.name).toBeGreaterThan(15);
      expect(Math.abs(verdict.cents), verdict.name).toBeLessThan(10);
    }
  });
});
