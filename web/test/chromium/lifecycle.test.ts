/** What happens to a running flow: its source ends, its context stands still, its engine dies, it is closed. In both modes. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, openPage } from '../support/browser.js';
import { serve, type Served } from '../support/server.js';
import { cents, sines } from '../support/tones.js';
import { trapping } from '../support/trapping.js';
import { wasmOf } from '../support/wasm.js';
import { writeWav } from '../support/wav.js';

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

describe.each([
  ['shared', true],
  ['plain', false],
] as const)('in %s mode', (mode, isolated) => {
  let served: Served;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    served = await serve(isolated, {
      '/tone.wav': writeWav(sines([440], 2)),
      '/trap.wasm': trapping(await wasmOf(mode), 'pcmflow_snapshot'),
    });
    ({ page, complaints } = await openPage(browser, served.origin));
  });
  afterAll(async () => {
    await page.close();
    await served.close();
  });

  it('a file is heard from its first frame to its last, and its end is told', async () => {
    const run = await page.evaluate(async () => {
      const { flow, told } = await window.listenTo({ source: { kind: 'url', url: '/tone.wav' } });
      await new Promise<void>((resolve) => flow.on('state', ({ state }) => state === 'ended' && resolve()));
      const books = await flow.close();
      return { told, books, rateHz: flow.context.sampleRate };
    });
    expect(run.told.state.map(({ state }) => state).filter((state) => state !== 'silent')).toEqual(['running', 'ended', 'closed']);
    expect(run.told.state.find(({ state }) => state === 'ended')).toMatchObject({ reason: '/tone.wav is at its end', retriable: true });
    const { worklet, ledger } = run.books!;
    // Whole quanta, so up to one more than the file has.
    expect(worklet.frames).toBeGreaterThanOrEqual(2 * run.rateHz);
    expect(worklet.frames).toBeLessThan(2 * run.rateHz + 256);
    expect(ledger.sinks['pitch']).toMatchObject({ frames_in: worklet.frames, delivered: worklet.frames, unaccounted: 0 });
    const heard = run.told.pitch.filter(({ hz, time_s }) => hz !== null && time_s > 0.3 && time_s < 1.7);
    expect(heard.length).toBeGreaterThan(20);
    for (const { hz } of heard) expect(Math.abs(cents(440, hz!))).toBeLessThan(3);
    expect(complaints).toEqual([]);
  });

  it('a node of the page’s graph is heard, and its context stays open', async () => {
    const run = await page.evaluate(async () => {
      const context = new AudioContext();
      const node = new OscillatorNode(context, { frequency: 330 });
      node.start();
      const { flow, told } = await window.listenTo({ source: { kind: 'node', node } });
      await new Promise((resolve) => setTimeout(resolve, 1200));
      const books = await flow.close();
      const left = context.state;
      await context.close();
      return { told, books, left };
    });
    expect(run.left).toBe('running');
    expect(Math.abs(cents(330, run.told.pitch.findLast(({ hz }) => hz !== null)!.hz!))).toBeLessThan(1);
    expect(run.books!.ledger).toMatchObject({ unaccounted: 0, is_over: true });
  });

  it('a context that stands still is told at once, and goes on without loss', async () => {
    const run = await page.evaluate(async () => {
      const { flow, told } = await window.listenTo({ source: { kind: 'synthetic', loop: true } });
      const context = flow.context as AudioContext;
      const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
      await pause(800);
      let noticed_ms = 0;
      context.addEventListener('statechange', () => (noticed_ms = performance.now()), { once: true });
      await context.suspend();
      await pause(700);
      const still = { state: flow.state, delay_ms: told.state.at(-1)!.heard_ms - noticed_ms };
      await flow.resume();
      await pause(800);
      const resumed = { state: flow.state, pitches: told.pitch.filter(({ heard_ms }) => heard_ms > performance.now() - 500).length };
      return { still, resumed, told, books: await flow.close() };
    });
    expect(run.still.state).toBe('suspended');
    expect(Math.abs(run.still.delay_ms)).toBeLessThan(10);
    expect(run.resumed.state).toBe('running');
    expect(run.resumed.pitches).toBeGreaterThan(5);
    expect(run.told.gap).toEqual([]);
    const { worklet, ledger } = run.books!;
    expect(ledger.sinks['pitch']).toMatchObject({ frames_in: worklet.frames, delivered: worklet.frames, unaccounted: 0 });
  });

  it('a microphone that ends is told, and comes back with a gap', async () => {
    const run = await page.evaluate(async () => {
      const streams: MediaStream[] = [];
      const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (how) => {
        const stream = await original(how);
        streams.push(stream);
        return stream;
      };
      const { flow, told } = await window.listenTo({ source: { kind: 'microphone' } });
      const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
      await pause(600);
      // Unplugged: what the browser does then.
      const track = streams[0]!.getAudioTracks()[0]!;
      track.stop();
      const at_ms = performance.now();
      track.dispatchEvent(new Event('ended'));
      const gone = { state: flow.state, delay_ms: told.state.at(-1)!.heard_ms - at_ms };
      await pause(300);
      const began_ms = performance.now();
      await flow.reconnect();
      await new Promise<void>((resolve) => flow.on('level', () => resolve()));
      const back_ms = performance.now() - began_ms;
      await pause(400);
      const state = flow.state;
      const books = await flow.close();
      navigator.mediaDevices.getUserMedia = original;
      return { gone, back_ms, state, told, books, tracks: streams.map((stream) => stream.getAudioTracks()[0]!.readyState) };
    });
    expect(run.gone.state).toBe('ended');
    expect(run.gone.delay_ms).toBeLessThan(10);
    expect(run.state).toBe('running');
    expect(run.back_ms).toBeLessThan(2000);
    expect(run.told.gap).not.toEqual([]);
    expect(run.tracks).toEqual(['ended', 'ended']);
    const { worklet, ledger } = run.books!;
    expect(ledger).toMatchObject({ unaccounted: 0, is_over: true });
    expect(ledger.sinks['pitch']!.delivered).toBe(worklet.frames);
  });

  it('an engine that dies is told with its words, and a new one takes its place', async () => {
    const run = await page.evaluate(async (which) => {
      const { flow, told } = await window.listenTo({ source: { kind: 'synthetic', loop: true }, wasmUrl: { [which]: '/trap.wasm' } });
      const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
      await pause(400);
      const refused = await flow.snapshot().catch((error: Error & { code: string }) => ({ code: error.code, message: error.message }));
      const dead = { state: flow.state, told: told.state.at(-1)!, after: await flow.command('help').catch((error: { code: string }) => error.code) };
      await flow.reconnect();
      await pause(800);
      const recent = told.pitch.filter(({ heard_ms }) => heard_ms > performance.now() - 400).length;
      const state = flow.state;
      return { refused, dead, recent, state, books: await flow.close() };
    }, mode);
    expect(run.refused).toMatchObject({ code: 'trap', message: expect.stringMatching(/^the engine died: .*unreachable/) });
    expect(run.dead).toMatchObject({ state: 'failed', after: 'trap', told: { state: 'failed', retriable: true } });
    expect(run.state).toBe('running');
    expect(run.recent).toBeGreaterThan(5);
    expect(run.books!.ledger).toMatchObject({ unaccounted: 0, is_over: true });
    await expect.poll(() => page.workers().length).toBe(0);
  });

  it.each([3_000, 8_000, 96_000, 384_000])('a context of %i Hz is taken, or refused in words', async (rateHz) => {
    const run = await page.evaluate(async (sampleRate) => {
      const context = new AudioContext({ sampleRate });
      const left = async () => {
        await context.close();
        return context.state;
      };
      try {
        const { flow, told } = await window.listenTo({ context, source: { kind: 'synthetic', loop: true, tones: [{ hz: 440, ms: 3000 }] } });
        await new Promise((resolve) => setTimeout(resolve, 1500));
        const { stream } = await flow.snapshot();
        const books = await flow.close();
        return { books, stream, hz: told.pitch.findLast(({ hz }) => hz !== null)?.hz, state: context.state, left: await left() };
      } catch (thrown) {
        return { refused: (thrown as Error).message, left: await left() };
      }
    }, rateHz);
    if ('refused' in run) {
      // Says what may be.
      expect(run.refused).toMatch(/Hz/);
      expect(rateHz).toBe(3_000);
      return;
    }
    expect(run.stream!.rate_hz).toBe(rateHz);
    // What the tracker is good for where a period has a hundred samples, and where it has seven.
    expect(Math.abs(cents(440, run.hz!))).toBeLessThan(rateHz === 3_000 ? 10 : 1);
    expect(run.state).toBe('running');
    const { ledger, worklet } = run.books!;
    const { delivered, dropped, frames_in } = ledger.sinks['pitch']!;
    expect(ledger.sinks['pitch']).toMatchObject({ frames_in: worklet.frames, in_flight: 0, unaccounted: 0 });
    expect(delivered + Object.values(dropped).reduce((sum, frames) => sum + frames, 0)).toBe(frames_in);
    // Eight times the usual load: a busy machine may lose some of it, and says so.
    if (rateHz < 384_000) expect(dropped).toEqual({});
  });

  it('settings and the console answer while it runs, and nothing answers when it is closed', async () => {
    const run = await page.evaluate(async () => {
      const { flow, told } = await window.listenTo({ source: { kind: 'synthetic', loop: true } });
      const config = await flow.setConfig({ 'metrics.sample_ms': 41 });
      const wrong = await flow.setConfig({ 'metrics.sample_ms': 0 }).catch((error: Error) => error.message);
      const help = await flow.command('help');
      const json = await flow.command('buffer-metrics', { json: true });
      const [first, second] = await Promise.all([flow.close(), flow.close()]);
      const after = await flow.snapshot().catch((error: { code: string }) => error.code);
      const again = await flow.reconnect().catch((error: { code: string }) => error.code);
      return { config, wrong, help, json, first, second, after, again, told, state: flow.state };
    });
    expect(run.config).toMatchObject({ metrics: { sample_ms: 41 } });
    expect(run.wrong).toMatch(/sample_ms/);
    expect(run.help).toMatchObject({ ok: true, text: expect.stringContaining('buffer-status') });
    expect(run.json).toMatchObject({ ok: true, answer: expect.any(Object) });
    expect(run.first!.ledger.unaccounted).toBe(0);
    expect([run.second, run.after, run.again, run.state]).toEqual([null, 'closed', 'closed', 'closed']);
  });

  it('is not disturbed by many questions at once', async () => {
    const run = await page.evaluate(async () => {
      const { flow } = await window.listenTo({ source: { kind: 'synthetic', loop: true } });
      for (let n = 0; n < 20; n += 1) await Promise.all([flow.snapshot(), flow.command('buffer-status'), flow.snapshot()]);
      const { worker } = await flow.snapshot();
      return { worker, books: await flow.close() };
    });
    expect(run.worker.frames_astray).toBe(0);
    expect(run.worker.stack_whole).toBe(isolated ? true : null);
    const { worklet, ledger } = run.books!;
    const { delivered, dropped, frames_in } = ledger.sinks['pitch']!;
    expect(frames_in).toBe(worklet.frames);
    expect(delivered + Object.values(dropped).reduce((sum, frames) => sum + frames, 0)).toBe(frames_in);
    expect(ledger.unaccounted).toBe(0);
  });
});
