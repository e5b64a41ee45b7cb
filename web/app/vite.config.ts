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

export default defineConfig({
  // Works below any path.
  base: './',
  plugins: [policy()],
  build: {
    target: 'es2022',
    // Nothing is inlined: the policy allows no data URL.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
