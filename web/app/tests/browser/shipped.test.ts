/** The page as it is shipped: at rest, and where its engine can't be loaded. */

import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launch, serve, visit } from './site.ts';

let browser: Browser;
let server: Server;
let url: string;
let outDir: string;

beforeAll(async () => {
  outDir = await mkdtemp(join(tmpdir(), 'pcmflow-app-'));
  await build({ root: fileURLToPath(new URL('../..', import.meta.url)), logLevel: 'error', build: { outDir, emptyOutDir: true } });
  ({ url, server } = await serve(outDir));
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  server?.close();
  await rm(outDir, { recursive: true, force: true });
});

it('asks for nothing beyond its own origin, under a policy that allows nothing else', async () => {
  const { page, wrong } = await visit(browser, url);
  expect(await page.locator('.state').textContent()).toBe('Choose what to listen to.');
  const content = await page.locator('meta[http-equiv=Content-Security-Policy]').getAttribute('content');
  expect(content).toContain("default-src 'none'");
  expect(content).not.toMatch(/unsafe-inline|'unsafe-eval'|data:|blob:|https?:/);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  const html = await (await page.request.get(url)).text();
  expect(html).toContain('<script type="module"');
  expect(html).not.toMatch(/<script(?![^>]* src=)|<style| style=| on[a-z]+=/);
  expect(wrong).toEqual([]);
  // The policy is in force: what it forbids does not come through.
  await page.evaluate(() => fetch('https://example.invalid/').catch(() => null));
  await expect.poll(() => wrong.some((breach) => breach.includes('policy: connect-src'))).toBe(true);
  await page.context().close();
});

it('is isolated by a service worker where its server sends no headers, when that is asked for', async () => {
  const bare = await serve(outDir, false);
  const { page, wrong } = await visit(browser, bare.url);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
  await page.goto(`${bare.url}/?isolate`);
  await page.waitForFunction(() => crossOriginIsolated);
  await page.getByText('Choose what to listen to.').waitFor();
  // It need not be said again.
  await page.goto(bare.url);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  expect(wrong).toEqual([]);
  await page.context().close();
  bare.server.close();
});

it('says that the engine can’t be loaded, and lets a person try again', async () => {
  const { page } = await visit(browser, url);
  await page.route('**/*.wasm', (route) => route.abort());
  await page.getByRole('button', { name: 'Melody' }).click();
  const alert = page.getByRole('alert');
  await alert.getByText('The engine could not be loaded.').waitFor();
  expect(await page.locator('.state').textContent()).toBe('Melody: not started.');
  await page.getByRole('button', { name: 'Try again' }).click();
  await alert.getByText('The engine could not be loaded.').waitFor();
  await page.getByLabel('Command').fill('help');
  await page.keyboard.press('Enter');
  await page.locator('.answer.refused').filter({ hasText: 'Nothing runs: start an input first.' }).waitFor();
  await page.context().close();
});
