/** The two builds, as `cargo xtask web` leaves them in `dist/`. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Engine } from '../../src/engine.js';
import type { Mode } from '../../src/modes.js';
import { importedMemory } from '../../src/wasm-memory.js';

const DIST = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'dist');

/** The bytes of a build. */
export async function wasmOf(mode: Mode): Promise<Uint8Array<ArrayBuffer>> {
  const path = join(DIST, `pcmflow.${mode}.wasm`);
  if (!existsSync(path)) throw new Error(`there is no ${path}: cargo xtask web`);
  return Uint8Array.from(await readFile(path));
}

export interface Compiled {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory | null;
}

/** Compiled, with a new memory where it shares one. */
export async function compiled(mode: Mode, bytes?: Uint8Array<ArrayBuffer>): Promise<Compiled> {
  const wasm = bytes ?? (await wasmOf(mode));
  const limits = importedMemory(wasm);
  const module = await WebAssembly.compile(wasm);
  if (limits === undefined) return { module, memory: null };
  const { initial, maximum = initial, shared } = limits;
  return { module, memory: new WebAssembly.Memory({ initial, maximum, shared }) };
}

/** An engine that is not open yet. */
export async function engineOf(mode: Mode): Promise<Engine> {
  const { module, memory } = await compiled(mode);
  return Engine.instantiate(module, memory);
}
