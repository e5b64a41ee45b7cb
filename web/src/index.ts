/**
 * pcmflow in the browser: one Rust engine behind an AudioWorklet, with books that balance.
 *
 * ```ts
 * import { createPcmflow } from 'pcmflow';
 * const flow = await createPcmflow({ source: { kind: 'microphone' } });
 * flow.on('pitch', ({ note, cents }) => console.log(note, cents));
 * const { mode, reason } = await flow.snapshot();
 * const books = await flow.close();
 * console.log(books?.ledger.unaccounted); // 0
 * ```
 */
import { Flow, type PcmflowOptions } from './client.js';

/**
 * Sets everything up and lets samples flow. Call it from a click: browsers keep audio still until then.
 *
 * Rejects with a {@link PcmflowError} that says what failed and what to do; nothing is left behind then.
 */
export function createPcmflow(options: PcmflowOptions): Promise<Pcmflow> {
  return Flow.create(options);
}

/** A running flow. */
export type Pcmflow = Flow;

export { BoundaryCounts, type BoundaryFigures } from './boundary.js';
export { WasmJsBridge } from './bridge.js';
export { HEAD, JsBufferPool, JsBufferRef, type BufferFormat, type BufferState, type BufferStates } from './buffer-ref.js';
export type { PcmflowOptions, PcmflowSnapshot } from './client.js';
export type { Listener } from './emitter.js';
export { PcmflowError, type ErrorCode } from './errors.js';
export type * from './events.js';
export type * from './generated.js';
export { isolate, type Isolation, type IsolationOptions } from './isolation.js';
export { MELODY, renderTones, type Tone } from './melody.js';
export { chooseMode, type Choice, type Findings, type Mode, type Refusal } from './modes.js';
export { probe } from './probe.js';
export type { CommandAnswer, ConfigTree, ConfigValue, FinalBooks, WorkerSnapshot, WorkletFigures } from './protocol.js';
export type * from './sources.js';
