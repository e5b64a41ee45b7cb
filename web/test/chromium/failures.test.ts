/** What goes wrong before anything runs: said in words, and nothing is left behind. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, openPage } from '../support/browser.js';
import { serve, type Served } from '../support/server.js';

let browser: Browser;
let served: Served;
beforeAll(async () => {
  served = await serve(true, { '/no.wasm': 'this is text', '/no-worker.js': 'throw new Error("a broken worker")', '/tone.wav': 'this is no sound' });
  browser = await launch();
});
afterAll(async () => {
  await browser.close();
  await served.close();
});

interface Refused {
  name: string;
  code: string;
  message: string;
  retriable: boolean;
  contexts: string[];
}

/** Tries to make a flow, counting audio contexts. */
function attempt(page: Page, options: Record<string, unknown>): Promise<Refused> {
  return page.evaluate(async (given) => {
    const contexts: AudioContext[] = [];
    const Original = AudioContext;
    window.AudioContext = class extends Original {
      constructor(how?: AudioContextOptions) {
        super(how);
        contexts.push(this);
      }
    };
    try {
      const source = given['file'] === undefined ? given['source'] : { kind: 'file', file: new Blob([given['file'] as string]) };
      await window.pcmflow.createPcmflow({ ...given, source } as never);
      throw new Error('it was not refused');
    } catch (thrown) {
      const { name, code, message, retriable } = thrown as Refused;
      return { name, code, message, retriable, contexts: contexts.map(({ state }) => state) };
    } finally {
      window.AudioContext = Original;
    }
  }, options);
}

/** A Worker that was ended is gone at once for the page; the browser says so a moment later. */
const noWorkers = (page: Page): Promise<void> => expect.poll(() => page.workers().length).toBe(0);

const synthetic = { kind: 'synthetic' };

describe('is told, and leaves nothing', () => {
  it.each([
    ['wasm that is not there', { source: synthetic, wasmUrl: { shared: '/dist/none.wasm' } }, 'load', /none\.wasm\) can't be loaded: the server answered 404/],
    ['wasm that is none', { source: synthetic, wasmUrl: { shared: '/no.wasm' } }, 'load', /can't be used: not a wasm module/],
    ['wasm of the other mode', { source: synthetic, wasmUrl: { shared: '/dist/pcmflow.plain.wasm' } }, 'load', /it is not the build for shared mode/],
    ['a worklet that is not there', { source: synthetic, workletUrl: '/dist/none.js' }, 'load', /the worklet \(.*none\.js\) can't be loaded/],
    ['a worker that is not there', { source: synthetic, workerUrl: '/dist/none.js' }, 'load', /the worker can't run/],
    ['a worker that throws', { source: synthetic, workerUrl: '/no-worker.js' }, 'load', /the worker can't run: .*a broken worker/],
    ['a file that is no sound', { file: 'no sound' }, 'decode', /no audio that this browser can decode/],
    ['a sound that is not there', { source: { kind: 'url', url: '/none.wav' } }, 'load', /none\.wav can't be loaded: the server answered 404/],
    ['a sound that is none', { source: { kind: 'url', url: '/tone.wav' } }, 'decode', /tone\.wav is no audio/],
    ['a synthetic source without tones', { source: { kind: 'synthetic', tones: [] } }, 'decode', /give at least one/],
    ['a microphone that is not there', { source: { kind: 'microphone', deviceId: 'none' } }, 'device', /there is no such microphone/],
    ['a key that is none', { source: synthetic, config: { flow: { strategi: 'adaptive' } } }, 'engine', /strategi/],
    ['a value that is not allowed', { source: synthetic, config: { flow: { strategy: 'hope' } } }, 'engine', /strategy.*hope|hope.*strategy/s],
  ])('%s', async (_, options, code, message) => {
    const { page } = await openPage(browser, served.origin);
    const refused = await attempt(page, options);
    expect(refused.message).toMatch(message);
    expect(refused).toMatchObject({ name: 'PcmflowError', code, retriable: true, contexts: ['closed'] });
    await noWorkers(page);
    await page.close();
  });

  it('a microphone that is not allowed', async () => {
    const strict = await launch({ allowed: false });
    try {
      const { page } = await openPage(strict, served.origin);
      const refused = await attempt(page, { source: { kind: 'microphone' } });
      expect(refused).toMatchObject({ code: 'permission', contexts: ['closed'] });
      expect(refused.message).toMatch(/allow it in the browser's settings/);
      await noWorkers(page);
    } finally {
      await strict.close();
    }
  });

  it.each([0, 65, 1.5, NaN])('a batch of %s quanta', async (batchQuanta) => {
    const { page } = await openPage(browser, served.origin);
    const refused = await attempt(page, { source: synthetic, batchQuanta });
    expect(refused).toMatchObject({ code: 'refused', message: `a batch has 1 to 64 quanta, not ${batchQuanta}: change batchQuanta`, contexts: [] });
    await page.close();
  });

  it('shared mode where it can’t be had', async () => {
    const unisolated = await serve(false);
    const { page } = await openPage(browser, unisolated.origin);
    const refused = await attempt(page, { source: synthetic, mode: 'shared' });
    expect(refused).toMatchObject({ code: 'refused', retriable: false, contexts: [] });
    await page.close();
    await unisolated.close();
  });
});
