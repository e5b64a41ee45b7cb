/** The page as it is shipped, with the package's own engine behind it: the melody from its first note to its last. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, serve, visit } from './site.ts';

const SHOTS = fileURLToPath(new URL('../screenshots', import.meta.url));
/** What the melody plays, in equal temperament. */
const NOTES = ['C4', 'D4', 'E4', 'F4', 'G4', 'A4', 'B4', 'C5'];
/** How long it is. */
const MELODY_S = 11;

let browser: Browser;
let outDir: string;

beforeAll(async () => {
  outDir = await mkdtemp(join(tmpdir(), 'pcmflow-app-'));
  await build({ root: fileURLToPath(new URL('../..', import.meta.url)), logLevel: 'error', build: { outDir, emptyOutDir: true } });
  await mkdir(SHOTS, { recursive: true });
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await rm(outDir, { recursive: true, force: true });
});

interface Shown {
  note: string;
  cents: string;
  ledger: string;
}

/** Reads what the page shows, from now until its state is this. */
function read(page: Page, until: string): Promise<Shown[]> {
  return page.evaluate(async (last) => {
    const text = (place: string): string => document.querySelector(place)?.textContent ?? '';
    const shown: Shown[] = [];
    while (text('.state') !== last) {
      const cents = document.querySelectorAll('.figures .figure')[1]?.textContent ?? '';
      shown.push({ note: text('.note'), cents, ledger: text('.ledger-line') });
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    return shown;
  }, until);
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

describe.each([
  { way: 'shared', isolated: true, name: 'Shared memory' },
  { way: 'plain', isolated: false, name: 'Transferred batches' },
])('in $way mode', ({ way, isolated, name }) => {
  it('shows every note of the melody, and books without a frame unaccounted', async () => {
    const { url, server } = await serve(outDir, isolated);
    const { page, wrong } = await visit(browser, url);
    await page.getByRole('button', { name: 'Melody' }).click();
    await page.locator('.state').filter({ hasText: 'Melody: listening.' }).waitFor();
    expect(await page.locator('.mode').getAttribute('data-mode')).toBe(way);
    expect(await page.locator('.mode').textContent()).toContain(name);
    const reading = read(page, 'Melody: stopped.');
    await page.waitForTimeout(6_000);
    await page.screenshot({ path: join(SHOTS, `engine-${way}.png`), fullPage: true });
    const shown = await reading;
    for (const note of NOTES) {
      const cents = shown.filter((each) => each.note === note).map((each) => Number(each.cents.replace('−', '-')));
      expect(cents.length, note).toBeGreaterThan(8);
      expect(Math.abs(median(cents)), note).toBeLessThan(5);
    }
    // While it ran the line was never anything else, and it went on.
    const settled = shown.map(({ ledger }) => ledger).filter((ledger) => ledger !== 'nothing settled yet');
    expect(settled.filter((ledger) => !/^settled to 00:\d\d\.\d{3}, 0 frames unaccounted$/.test(ledger))).toEqual([]);
    expect(new Set(settled).size).toBeGreaterThan(10);
    // The final books hold all of it.
    const end = page.locator('.ledger-line').filter({ hasText: /^settled to 00:11\.\d{3}, 0 frames unaccounted$/ });
    await end.waitFor();
    expect(await page.locator('[data-balanced]').getAttribute('data-balanced')).toBe('true');
    const figures = ((await page.locator('.ledger .quiet').textContent()) ?? '').replaceAll('\u202f', '');
    const [, frames_in, delivered] = /^(\d+) frames in for 2 listeners, (\d+) delivered, 0 given up, 0 on their way$/.exec(figures) ?? [];
    expect(Number(frames_in), figures).toBeGreaterThan(2 * MELODY_S * 44_000);
    expect(delivered).toBe(frames_in);
    expect(wrong).toEqual([]);
    await expect.poll(() => page.workers().length).toBe(0);
    await page.context().close();
    server.close();
  });
});
