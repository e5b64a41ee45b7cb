/**
 * The page before a recorded engine: what a person sees, hears and types. Screenshots go to `tests/screenshots`, which is not committed.
 */

import axe from 'axe-core';
import { mkdir } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noteName, noteOf } from '../../src/note.ts';
import { policy } from '../../vite.config.ts';
import { launch, serve, visit } from './site.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const SHOTS = join(here, '../screenshots');
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

let browser: Browser;
let server: Server;
let url: string;

beforeAll(async () => {
  const outDir = join(tmpdir(), `pcmflow-app-${process.pid}`);
  await build({
    configFile: false,
    logLevel: 'warn',
    root: join(here, '../page'),
    base: './',
    plugins: [policy()],
    build: { outDir, emptyOutDir: true, assetsInlineLimit: 0, target: 'es2022', modulePreload: { polyfill: false } },
  });
  await mkdir(SHOTS, { recursive: true });
  ({ url, server } = await serve(outDir));
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  server?.close();
});

/** What axe finds, in a line each. It is put in past the page's policy, which stays as it is for the page. */
async function violations(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  await session.send('Page.enable');
  await session.send('Runtime.evaluate', { expression: axe.source });
  const found = await page.evaluate(async () => {
    const { axe: run } = globalThis as unknown as { axe: typeof import('axe-core') };
    return (await run.run()).violations;
  });
  await session.detach();
  return found.flatMap((of) => of.nodes.map((node) => `${of.id}: ${node.html} ${node.failureSummary ?? ''}`));
}

/** Starts the melody, and waits until a note is shown. */
async function play(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Melody' }).click();
  await page.waitForFunction(() => document.querySelector('.note-octave')?.textContent !== '');
}

describe.each([
  { name: 'desktop-light', viewport: DESKTOP, colorScheme: 'light' as const },
  { name: 'desktop-dark', viewport: DESKTOP, colorScheme: 'dark' as const },
  { name: 'phone-light', viewport: PHONE, colorScheme: 'light' as const },
  { name: 'phone-dark', viewport: PHONE, colorScheme: 'dark' as const },
])('$name', ({ name, viewport, colorScheme }) => {
  it('shows everything, breaks no rule of accessibility, and stays within its policy', async () => {
    const { page, wrong } = await visit(browser, url, { viewport, colorScheme });
    expect(await violations(page)).toEqual([]);
    await play(page);
    await page.waitForFunction(() => document.querySelectorAll('.news li').length > 2, null, { timeout: 30_000 });
    // Every chart has figures, for eyes and in its table.
    await page.waitForFunction(() => [...document.querySelectorAll('.charts tbody td:nth-child(2)')].every((cell) => cell.textContent !== '–'));
    await page.getByText('The flow as a table').click();
    await page.getByText('What can change while it runs').click();
    await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
    expect(await page.locator('.ledger-line').textContent()).toMatch(/^settled to \d\d:\d\d\.\d{3}, 0 frames unaccounted$/);
    expect(await page.locator('.mode').textContent()).toContain('Shared memory');
    expect(await page.locator('.flow-figure svg').getAttribute('aria-label')).toContain('input to pitch');
    expect(await page.locator('.chart canvas').count()).toBe(3);
    expect(await violations(page)).toEqual([]);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    expect(wrong).toEqual([]);
    await page.context().close();
  });
});

describe('a person', () => {
  it('sees the note, in tune or not, with its figures', async () => {
    const { page, wrong } = await visit(browser, url, { viewport: DESKTOP });
    await play(page);
    expect(await page.locator('.note').textContent()).toMatch(/^[A-G]♯?\d$/);
    expect(await page.locator('.verdict').textContent()).toMatch(/^(flat|in tune|sharp)$/);
    const tip = (): Promise<string | null> => page.locator('.needle').getAttribute('x2');
    const before = await tip();
    await page.waitForFunction((was) => document.querySelector('.needle')?.getAttribute('x2') !== was, before);
    await page.getByRole('button', { name: 'Stop' }).click();
    expect(await page.locator('.state').textContent()).toBe('Melody: stopped.');
    await page.waitForFunction(() => /unaccounted/.test(document.querySelector('.ledger-line')?.textContent ?? ''));
    expect(await page.locator('[data-balanced]').getAttribute('data-balanced')).toBe('true');
    expect(wrong).toEqual([]);
    await page.context().close();
  });

  it('tunes to another A4', async () => {
    const { page } = await visit(browser, url, { viewport: DESKTOP });
    const a4 = page.getByLabel('A4 (Hz)');
    await a4.fill('415');
    await a4.press('Enter');
    await play(page);
    const [hz, note] = await page.evaluate(() =>
      ['.figures .figure', '.note'].map((place) => document.querySelector(place)?.textContent ?? ''),
    );
    const shown = noteOf(Number(hz), 415);
    expect(note).toBe(`${shown.name}${shown.octave}`);
    expect(note).not.toBe(noteName(noteOf(Number(hz)).number));
    await a4.fill('9000');
    await a4.press('Enter');
    expect(await a4.inputValue()).toBe('415');
    await page.context().close();
  });

  it('is told what went wrong, and tries again', async () => {
    const { page, wrong } = await visit(browser, `${url}/?problem=permission`, { viewport: PHONE });
    await page.getByRole('button', { name: 'Microphone' }).click();
    const alert = page.getByRole('alert');
    expect(await alert.textContent()).toContain('The microphone may not be used.');
    expect(await alert.textContent()).toContain('Permission denied by system');
    await page.screenshot({ path: join(SHOTS, 'problem.png') });
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Try again' }).click();
    expect(await page.locator('.state').textContent()).toBe('Microphone: listening.');
    expect(await alert.isVisible()).toBe(false);
    expect(wrong).toEqual([]);
    await page.context().close();
  });

  it('needs no mouse: starts, types, completes, goes back, and leaves', async () => {
    const { page } = await visit(browser, url, { viewport: DESKTOP });
    await page.getByRole('button', { name: 'Melody' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('.settings fieldset') !== null);
    await page.getByLabel('Command').focus();
    await page.keyboard.type('pool st');
    expect(await page.locator('.suggestions').textContent()).toBe('status');
    await page.keyboard.press('Tab');
    expect(await page.getByLabel('Command').inputValue()).toBe('pool status ');
    await page.keyboard.press('Enter');
    await page.locator('.answers table tbody tr').first().waitFor();
    expect(await page.locator('.answers').textContent()).toContain('buffers in use');
    await page.keyboard.press('ArrowUp');
    expect(await page.getByLabel('Command').inputValue()).toBe('pool status');
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Send');
    await page.getByLabel('Command').fill('bufer-status');
    await page.keyboard.press('Enter');
    expect(await page.locator('.answer.refused').textContent()).toContain('did you mean `buffer-status`?');
    await page.context().close();
  });

  it('changes settings while it runs, and sees what is refused beside them', async () => {
    const { page } = await visit(browser, url, { viewport: DESKTOP });
    await play(page);
    await page.getByText('What can change while it runs').click();
    const latency = page.getByLabel('latency (ms) on');
    expect(await latency.inputValue()).toBe('30');
    await latency.fill('40');
    await latency.press('Enter');
    await page.getByText('alerts.latency_ms_on is 40').waitFor();
    expect(await latency.inputValue()).toBe('40');
    await latency.fill('0');
    await latency.press('Enter');
    await page.locator('#setting-alerts-latency_ms_on-trouble').filter({ hasText: '1 to 10000' }).waitFor();
    expect(await latency.getAttribute('aria-invalid')).toBe('true');
    const sent = await page.evaluate(() => (globalThis as unknown as { recorded: { lines: string[] } }).recorded.lines);
    expect(sent.filter((line) => line.startsWith('config set'))).toEqual([
      'config set alerts.latency_ms_on 40',
      'config set alerts.latency_ms_on 0',
    ]);
    await page.context().close();
  });

  it('hears of new notes only, politely', async () => {
    const { page } = await visit(browser, url, { viewport: DESKTOP });
    await page.evaluate(() => {
      const heard: string[] = [];
      Object.assign(window, { heard });
      const live = document.querySelector('[aria-live]');
      if (live) new MutationObserver(() => heard.push(live.textContent ?? '')).observe(live, { childList: true, characterData: true, subtree: true });
    });
    await play(page);
    await page.waitForTimeout(5_000);
    const heard = await page.evaluate(() => (globalThis as unknown as { heard: string[] }).heard);
    expect(heard.length).toBeGreaterThan(1);
    expect(heard.length).toBeLessThan(6);
    for (const text of heard) expect(text).toMatch(/^[A-G]( sharp)? \d, (flat|in tune|sharp)$/);
    expect(await page.locator('[aria-live=polite]').count()).toBe(1);
    await page.context().close();
  });

  it('chooses light or dark, and finds it again', async () => {
    const { page } = await visit(browser, url, { viewport: DESKTOP, colorScheme: 'light' });
    const ground = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    const button = page.getByRole('button', { name: /Colours/ });
    await button.click();
    await button.click();
    expect(await button.textContent()).toBe('Colours: dark');
    const dark = await ground();
    expect(dark).not.toBe(light);
    await page.reload();
    expect(await ground()).toBe(dark);
    await page.context().close();
  });
});
