/**
 * Which way the samples take, decided from what was found. Pure: looking is `probe.ts`' part.
 *
 * - `shared`: the worklet pushes into the engine's ring on memory that both share. No copies between threads.
 * - `plain`: the worklet gathers quanta into recycled buffers and hands them over. Works without isolation.
 * - a refusal: without an AudioWorklet there is no audio thread to run on.
 */

/** A way that samples can take. */
export type Mode = 'shared' | 'plain';

/** What was found on a page, each by trying it and not by the browser's name. */
export interface Findings {
  /** `isSecureContext`: https, or this machine. */
  readonly secure: boolean;
  /** `AudioContext` and `AudioWorkletNode` are there. */
  readonly audioWorklet: boolean;
  /** `Worker` is there. */
  readonly worker: boolean;
  /** `WebAssembly` is there. */
  readonly wasm: boolean;
  /** A wasm module with 128-bit vectors is valid. */
  readonly simd: boolean;
  /** `crossOriginIsolated`. */
  readonly isolated: boolean;
  /** `typeof SharedArrayBuffer === 'function'`. WebKitGTK is isolated and has none. */
  readonly sharedArrayBuffer: boolean;
  /** Posting a SharedArrayBuffer did not throw. */
  readonly sharedPosts: boolean;
}

/** What was decided, and why: shown to people. */
export interface Choice {
  readonly mode: Mode;
  readonly reason: string;
}

/** Nothing can be started here. */
export interface Refusal {
  readonly mode: null;
  /** What is missing, and what would help. */
  readonly reason: string;
}

/**
 * Chooses the mode.
 *
 * `wanted` forces one (for tests, and for a page that must not share memory); it is refused where it can't be had.
 */
export function chooseMode(found: Findings, wanted?: Mode): Choice | Refusal {
  const missing = missingForAny(found);
  if (missing !== undefined) return { mode: null, reason: missing };
  const unshared = missingForShared(found);
  if (wanted === 'plain') return { mode: 'plain', reason: 'the page asked for plain mode' };
  if (unshared === undefined) return { mode: 'shared', reason: 'the page is isolated: its threads share one memory' };
  if (wanted === 'shared') return { mode: null, reason: `shared mode was asked for, but ${unshared}` };
  return { mode: 'plain', reason: unshared };
}

function missingForAny(found: Findings): string | undefined {
  if (!found.secure) return 'the page is not secure, and browsers give audio to secure pages only: open it by https or on localhost';
  if (!found.audioWorklet) return 'this browser has no AudioWorklet: a current Chrome, Edge, Firefox or Safari has one';
  if (!found.worker) return 'this browser has no Worker for the engine to run in';
  if (!found.wasm) return 'this browser has no WebAssembly, or it is switched off';
  if (!found.simd) return 'this browser has no WebAssembly SIMD: update it (all have it since 2023)';
  return undefined;
}

/** A `WebAssembly.Memory` that says it is shared is no sign: Chromium makes one on any page. */
function missingForShared(found: Findings): string | undefined {
  if (!found.isolated) return 'the page is not cross-origin isolated (headers COOP: same-origin and COEP: require-corp)';
  if (!found.sharedArrayBuffer) return 'the page is isolated, but this browser has no SharedArrayBuffer';
  if (!found.sharedPosts) return 'this browser has SharedArrayBuffer, but does not let threads share one';
  return undefined;
}
