/** A site whose server sends no headers, isolated by its own service worker. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { launch } from '../support/browser.js';
import { serve } from '../support/server.js';

const DIST = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'dist');
const PAGE = '<!doctype html><title>isolation</title><script type="module" src="/isolation.js"></script>';
const SCRIPT = `
  import { createPcmflow, isolate } from '/dist/index.js';
  window.answer = await isolate({ workerUrl: '/isolation-worker.js' });
  window.run = async () => {
    const flow = await createPcmflow({ source: { kind: 'synthetic', loop: true } });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return { mode: flow.mode, books: await flow.close() };
  };`;

interface Isolating {
  answer?: { state: string; reason: string };
  run(): Promise<{ mode: string; books: unknown }>;
}

/** A site as a host of files alone would serve it; where the service worker is left out, it has none. */
async function site(worker: boolean) {
  const extra: Record<string, Uint8Array | string> = { '/isolated.html': PAGE, '/isolation.js': SCRIPT };
  if (worker) extra['/isolation-worker.js'] = await readFile(join(DIST, 'isolation-worker.js'));
  return serve(false, extra);
}

describe('a site without the headers', () => {
  it('is isolated after it was loaded once, and runs in shared mode', async () => {
    const served = await site(true);
    const browser = await launch();
    try {
      const page = await browser.newPage();
      await page.goto(`${served.origin}/isolated.html`);
      await page.waitForFunction(() => (window as unknown as Isolating).answer?.state === 'isolated');
      const run = await page.evaluate(() => (window as unknown as Isolating).run());
      expect(run).toMatchObject({ mode: 'shared', books: { ledger: { unaccounted: 0, is_over: true } } });
    } finally {
      await browser.close();
      await served.close();
    }
  });

  it('says why it is not where there is no such worker, and is not loaded for ever', async () => {
    const served = await site(false);
    const browser = await launch();
    try {
      const page = await browser.newPage();
      let loaded = 0;
      page.on('load', () => (loaded += 1));
      await page.goto(`${served.origin}/isolated.html`);
      await page.waitForFunction(() => 'run' in window);
      const { answer } = await page.evaluate(() => ({ answer: (window as unknown as Isolating).answer }));
      expect(answer).toMatchObject({ state: 'refused' });
      expect(answer?.reason).toMatch(/isolation-worker\.js could not be registered/);
      expect(await page.evaluate(() => (window as unknown as Isolating).run())).toMatchObject({ mode: 'plain' });
      expect(loaded).toBe(1);
    } finally {
      await browser.close();
      await served.close();
    }
  });
});
