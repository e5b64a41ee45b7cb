/** The packed package as others use it: by a page of its own without any bundler (every other test here), and through Vite. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from 'vite';
import { launch } from '../support/browser.js';
import { serve } from '../support/server.js';

const WEB = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

let folder: string;
let packed: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pcmflow-consumer-'));
  const into = join(folder, 'node_modules', 'pcmflow');
  await mkdir(into, { recursive: true });
  const [pack] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: WEB, encoding: 'utf8' }),
  ) as [{ filename: string; files: { path: string }[] }];
  packed = pack.files.map(({ path }) => path);
  execFileSync('tar', ['-xzf', join(folder, pack.filename), '-C', into, '--strip-components=1']);
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>consumer</title><script type="module" src="./main.js"></script>');
  await writeFile(
    join(folder, 'main.js'),
    `import { createPcmflow } from 'pcmflow';
     window.run = async () => {
       const flow = await createPcmflow({ source: { kind: 'synthetic', loop: true } });
       let heard = 0;
       flow.on('pitch', ({ hz }) => { if (hz !== null) heard += 1; });
       await new Promise((resolve) => setTimeout(resolve, 1500));
       const { mode } = flow;
       return { mode, heard, books: await flow.close() };
     };`,
  );
  await build({ root: folder, logLevel: 'error', build: { outDir: join(folder, 'out') } });
});
afterAll(() => rm(folder, { recursive: true }));

it('holds what a user needs, and nothing else', () => {
  expect(packed).toEqual(
    expect.arrayContaining(['package.json', 'README.md', 'dist/index.js', 'dist/index.d.ts', 'dist/worker.js', 'dist/worklet.js', 'dist/isolation-worker.js', 'dist/pcmflow.shared.wasm', 'dist/pcmflow.plain.wasm']),
  );
  expect(packed.filter((path) => !/^(package\.json|README\.md|LICENSE.*|dist\/[\w.-]+\.(js|d\.ts|wasm))$/.test(path))).toEqual([]);
});

describe.each([
  ['shared', true],
  ['plain', false],
] as const)('built by Vite, in %s mode', (mode, isolated) => {
  it('runs from its own files alone', async () => {
    const files = await readdir(join(folder, 'out', 'assets'));
    for (const wanted of [/^worklet-.*\.js$/, /^worker-.*\.js$/, /^pcmflow\.shared-.*\.wasm$/, /^pcmflow\.plain-.*\.wasm$/]) {
      expect(files.filter((file) => wanted.test(file)), String(wanted)).toHaveLength(1);
    }
    const served = await serve(isolated, {}, join(folder, 'out'));
    const browser = await launch();
    try {
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(String(error)));
      await page.goto(`${served.origin}/index.html`);
      await page.waitForFunction(() => 'run' in window);
      const run = await page.evaluate(() => (window as unknown as { run(): Promise<{ mode: string; heard: number; books: unknown }> }).run());
      expect(complaints).toEqual([]);
      expect(run).toMatchObject({ mode, books: { ledger: { unaccounted: 0, is_over: true } } });
      expect(run.heard).toBeGreaterThan(10);
    } finally {
      await browser.close();
      await served.close();
    }
  });
});
