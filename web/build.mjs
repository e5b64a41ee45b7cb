// Builds the package's JavaScript and types into `dist/`. The wasm files there are `cargo xtask web`'s; they stay.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const common = { absWorkingDir: here, bundle: true, target: 'es2022', outdir: 'dist', logLevel: 'warning' };

await Promise.all([
  // `new URL('./worker.js', import.meta.url)` and its like stay as they are: bundlers know that form.
  build({ ...common, entryPoints: ['src/index.ts', 'src/worker.ts'], format: 'esm' }),
  // A worklet and a service worker without imports or exports: they load anywhere, by themselves.
  build({ ...common, entryPoints: ['src/worklet.ts', 'src/isolation-worker.ts'], format: 'iife' }),
]);
execFileSync(process.execPath, [join(here, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.types.json'], {
  cwd: here,
  stdio: 'inherit',
});
