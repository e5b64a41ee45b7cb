import { readFile } from 'node:fs/promises';
import { defineConfig } from 'vite';
import type { Plugin } from 'vite';
import { POLICY } from './policy.ts';

/** The built page carries its policy, whatever server it comes from. The development server needs styles that it puts in by itself. */
export function policy(): Plugin {
  const content = POLICY;
  return {
    name: 'policy',
    apply: 'build',
    transformIndexHtml: () => [
      { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content }, injectTo: 'head-prepend' },
    ],
  };
}

/** The service worker lies beside the page: it reaches no higher than its own folder. */
function isolationWorker(): Plugin {
  return {
    name: 'isolation-worker',
    apply: 'build',
    async generateBundle() {
      const source = await readFile(new URL('../dist/isolation-worker.js', import.meta.url));
      this.emitFile({ type: 'asset', fileName: 'isolation-worker.js', source });
    },
  };
}

const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

export default defineConfig({
  // Works below any path.
  base: './',
  plugins: [policy(), isolationWorker()],
  build: {
    target: 'es2022',
    // Nothing is inlined: the policy allows no data URL.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // `cargo xtask web --serve`: this machine alone, under its own names alone.
  preview: {
    host: '127.0.0.1',
    port: 4173,
    strictPort: true,
    cors: false,
    headers: process.env.PCMFLOW_ISOLATION === 'off' ? {} : ISOLATION,
  },
});
