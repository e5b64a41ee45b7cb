/** What this browser can do, found by trying. Runs on the page. */
import type { Findings } from './modes.js';

/** The smallest module that needs 128-bit vectors: a function `() -> v128` that makes a constant of i8 lanes. */
const SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

/** Looks. Makes nothing that stays. */
export function probe(): Findings {
  const wasm = typeof WebAssembly === 'object' && typeof WebAssembly.validate === 'function';
  const sharedArrayBuffer = typeof SharedArrayBuffer === 'function';
  return {
    secure: globalThis.isSecureContext === true,
    audioWorklet: typeof AudioContext === 'function' && typeof AudioWorkletNode === 'function',
    worker: typeof Worker === 'function',
    wasm,
    simd: wasm && WebAssembly.validate(SIMD),
    isolated: globalThis.crossOriginIsolated === true,
    sharedArrayBuffer,
    sharedPosts: sharedArrayBuffer && posts(),
  };
}

function posts(): boolean {
  const { port1, port2 } = new MessageChannel();
  try {
    port1.postMessage(new SharedArrayBuffer(8));
    return true;
  } catch {
    return false;
  } finally {
    port1.close();
    port2.close();
  }
}
