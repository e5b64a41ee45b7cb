/**
 * The messages between page, Worker and worklet.
 *
 * ```text
 *   page  --- Request ---> worker      page --- WorkletOrder ---> worklet
 *         <-- FromWorker --                 <-- WorkletNotice ---
 *   worklet --- ArrayBuffer (a batch) | WorkletEnd ---> worker
 *           <-- ArrayBuffer (emptied) ----------------
 * ```
 * The port between worklet and Worker is theirs alone: what the page does can't delay samples.
 */
import type { BoundaryFigures } from './boundary.js';
import type { BufferStates } from './buffer-ref.js';
import type { EngineReport } from './events.js';
import type { LedgerSnapshot, Snapshot } from './generated.js';
import type { Mode } from './modes.js';

/** The configuration as a tree: only the keys that differ from the defaults. */
export type ConfigTree = { readonly [section: string]: { readonly [key: string]: ConfigValue } };

/** A value of the configuration. */
export type ConfigValue = number | string | boolean | readonly number[];

/** What a stream of samples is like. */
export interface StreamFormat {
  readonly rate_hz: number;
  readonly channels: number;
  /** The most frames that are pushed at once. */
  readonly quantum: number;
}

/** Where a stream's samples go in wasm memory. */
export interface StreamPlace {
  readonly capture: number;
  /** One place for each channel, with room for the quantum. */
  readonly channels: readonly number[];
  readonly capacity_frames: number;
}

/** Stack and TLS of the worklet's thread on the shared memory. */
export interface ThreadPlace {
  readonly stack: number;
  readonly tls: number;
}

/** What the Worker needs to begin. */
export interface StartBody {
  readonly mode: Mode;
  readonly module: WebAssembly.Module;
  /** The shared memory; none in plain mode. */
  readonly memory: WebAssembly.Memory | null;
  /** One 32-bit word: the page changes it to call the Worker out of a timed wait. */
  readonly wake: SharedArrayBuffer | null;
  readonly config: ConfigTree;
  /** `performance.timeOrigin` of the page, so that both clocks are one. */
  readonly pageTimeOrigin: number;
}

/** How an input is. */
export interface InputNow {
  readonly state: string;
  /** What it failed with. */
  readonly trouble: string | null;
  readonly frames_in: number;
  readonly ring_fill: number;
  readonly ring_capacity: number;
}

/** The engine's snapshot, with its inputs. */
export interface EngineSnapshot extends Snapshot {
  readonly inputs: Readonly<Record<string, InputNow>>;
}

/** The engine's books at the end: of all sinks together, where each frame counts once for each sink, and of each. */
export interface EngineBooks extends LedgerSnapshot {
  readonly sinks: Readonly<Record<string, LedgerSnapshot>>;
  /** Whether everything that was under way was delivered. */
  readonly is_over: boolean;
}

/** A command's answer. */
export interface CommandAnswer {
  readonly ok: boolean;
  readonly text?: string;
  readonly answer?: unknown;
}

/** What the worklet counted by itself, over all streams. */
export interface WorkletFigures {
  /** Frames that the audio thread was given. */
  readonly frames: number;
  /** Frames of them that it gave up (plain mode, no emptied buffer). */
  readonly lost: number;
}

/** What the Worker knows. */
export interface WorkerSnapshot {
  readonly engine: EngineSnapshot;
  readonly boundary: {
    readonly worker: BoundaryFigures;
    /** As of the last batch; nothing in shared mode, where there is nothing to count. */
    readonly worklet: Pick<BoundaryFigures, 'allocations' | 'bytes'> | null;
  };
  /** The Worker's side of the recycled buffers; nothing in shared mode. */
  readonly buffers: BufferStates | null;
  /** Frames that arrived in batches but are missing between their positions: anything but 0 is a bug of ours. */
  readonly frames_astray: number;
  /** How long the engine's thread has worked in all. The engine's own clock stands meanwhile, so that its nodes can't tell. */
  readonly busy_ms: number;
  /** Of the streams that have ended. */
  readonly worklet: WorkletFigures;
  /** Whether the canary below the worklet's stack is whole; nothing in plain mode. */
  readonly stack_whole: boolean | null;
}

/** The books at the end. */
export interface FinalBooks {
  readonly ledger: EngineBooks;
  /** The worklet's own count of what it was given: the ledger must agree with it. */
  readonly worklet: WorkletFigures;
  /** {@link WorkerSnapshot.frames_astray}. */
  readonly frames_astray: number;
}

/** Calls that the page makes, with what they take and answer. */
export interface Calls {
  start: { body: StartBody; answer: null };
  port: { body: { port: MessagePort }; answer: null };
  stream: { body: StreamFormat; answer: StreamBegun };
  endStream: { body: null; answer: WorkletFigures };
  snapshot: { body: null; answer: WorkerSnapshot };
  command: { body: { line: string; json: boolean }; answer: CommandAnswer };
  config: { body: { set: Readonly<Record<string, ConfigValue>> }; answer: unknown };
  close: { body: null; answer: FinalBooks };
}

/** A call. */
export type Request = { [C in keyof Calls]: { id: number; call: C; body: Calls[C]['body'] } }[keyof Calls];

/** An error that goes over the boundary. */
export interface Trouble {
  readonly code: 'engine' | 'trap';
  readonly message: string;
}

/** What the Worker says. */
export type FromWorker =
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'refused'; readonly id: number; readonly trouble: Trouble }
  | { readonly type: 'events'; readonly events: readonly EngineReport[] }
  | { readonly type: 'dead'; readonly trouble: Trouble };

/** A stream that begins. */
export interface StreamBegun {
  readonly place: StreamPlace;
  /** In shared mode. */
  readonly thread: ThreadPlace | null;
}

/** What the page gives a new worklet node. Each stream has a node of its own. */
export interface WorkletOptions {
  readonly format: StreamFormat;
  /** In shared mode. */
  readonly shared: {
    readonly module: WebAssembly.Module;
    readonly memory: WebAssembly.Memory;
    readonly place: StreamPlace;
    readonly thread: ThreadPlace;
  } | null;
}

/** What the page tells the worklet. */
export type WorkletOrder =
  | { readonly type: 'port'; readonly port: MessagePort }
  | { readonly type: 'stop' };

/** What the worklet tells the page: rarely, never for each quantum. */
export type WorkletNotice = { readonly type: 'ready' } | { readonly type: 'input'; readonly active: boolean };

/** A stream's end, as the worklet tells the Worker after the last batch. */
export interface WorkletEnd extends WorkletFigures {
  readonly type: 'stopped';
  /** Lost frames that no batch's head has told of, and the audio time after them. */
  readonly untold: { readonly frames: number; readonly endMs: number } | null;
}

/** Buffers that may be on their way in plain mode: as much as the default ring holds (200 ms), whatever the rate, and a few for the way. */
export function buffersMax({ rate_hz, quantum }: StreamFormat): number {
  return Math.max(16, Math.ceil((0.2 * rate_hz) / quantum) + 6);
}

/** Buffers that are made before the stream begins. */
export const BUFFERS_PREWARMED = 4;

/** Stack of the worklet's thread. Pushing needs little; what is too much shows at the canary. */
export const STACK_BYTES = 64 * 1024;
