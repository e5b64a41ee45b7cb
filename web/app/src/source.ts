/**
 * What the page draws from: one interface, whoever is behind it.
 *
 * In the browser it is the package `pcmflow` (`browser-source.ts`); a native engine can answer the same questions over HTTP.
 * The page asks for snapshots and sends console lines; what happens in between is told as news. Nothing here knows the DOM.
 */

import type { EventFields, EventName, Snapshot as EngineSnapshot } from '../../src/generated.ts';

export type { EventFields, EventName };

/** The engine's snapshot, and what its host adds. */
export type Snapshot = EngineSnapshot & {
  /** What the engine's thread worked since the snapshot before; where it is told, the nodes can't tell how busy each is. */
  thread_busy_ppm?: number;
};

/** What can be listened to. */
export type Input = { kind: 'microphone' } | { kind: 'file'; file: File } | { kind: 'melody' };

export type InputKind = Input['kind'];

/** How samples come from the audio thread to the engine, why so, and what that costs. */
export interface Mode {
  name: 'shared' | 'plain' | 'native';
  /** A sentence for a person. */
  reason: string;
  /** What this way adds to the latency of every block; none where that is not known. */
  latency_ms: number | null;
}

/** Something went wrong: for a person. */
export interface Problem {
  /** What happened, as a sentence. */
  what: string;
  /** What can be done about it, as a sentence. */
  advice: string;
  /** What the browser or the engine said, word for word; may be empty. */
  detail: string;
  /** Whether trying again makes sense. */
  can_retry: boolean;
}

/** What the source does. */
export type State =
  | { is: 'idle' }
  | { is: 'starting'; input: InputKind }
  /** `rate_hz` is that of the source; positions are in its frames. */
  | { is: 'running'; input: InputKind; mode: Mode; rate_hz: number | null }
  /** It is there, and nothing comes: the context is suspended, the device is gone. */
  | { is: 'interrupted'; input: InputKind; problem: Problem }
  | { is: 'stopped'; input: InputKind }
  | { is: 'failed'; input: InputKind; problem: Problem };

/** The pitch of one block. */
export interface Pitch {
  type: 'pitch';
  /** The first frame of the block. */
  position: number;
  /** The engine's clock. */
  at_ms: number;
  /** None where nothing is heard that has a pitch. */
  hz: number | null;
  note: string | null;
  cents: number | null;
  /** 0 to 1. */
  confidence: number;
}

/** The level of one block, over all channels; 1 is full scale. */
export interface Level {
  type: 'level';
  position: number;
  at_ms: number;
  peak: number;
  rms: number;
  /** Samples at or beyond full scale. */
  clipped: number;
}

/** An event of the engine's bus. */
export type BusEvent = {
  [Name in EventName]: { type: 'event'; name: Name; source: string; at_ms: number; fields: EventFields[Name] };
}[EventName];

/** Events that found no room on their way here. */
export interface Missed {
  type: 'missed';
  events: number;
}

/** What the engine's console tells without being asked, after `events on`. */
export interface Line {
  type: 'line';
  text: string;
}

/** The source does something else from now on. */
export interface StateChange {
  type: 'state';
  state: State;
}

export type News = Pitch | Level | BusEvent | Missed | Line | StateChange;

/** One value of a row. */
export type Cell = string | number | boolean | null;

/** What came of a console line: the engine's own answer. */
export interface Answer {
  ok: boolean;
  text?: string;
  rows?: Record<string, Cell>[];
}

export interface DataSource {
  /** What a person can start here; empty where the engine's inputs are its own affair. */
  readonly inputs: readonly InputKind[];

  readonly state: State;

  /** Calls `listener` with all that happens, in order, until the returned function is called. */
  listen(listener: (news: News) => void): () => void;

  /** Starts an input, in place of the one that runs. What goes wrong is told as a state. */
  start(input: Input): Promise<void>;

  /** Starts the last input once more. */
  retry(): Promise<void>;

  /** Ends the input. The books stay to be read. */
  stop(): Promise<void>;

  /** What is known now; none before the first start. */
  snapshot(): Promise<Snapshot | null>;

  /** Answers one console line. A line that can't be answered is an answer too. */
  command(line: string): Promise<Answer>;
}
