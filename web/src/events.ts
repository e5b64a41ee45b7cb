/** What is told of, by type. */
import type { PcmflowError } from './errors.js';

/** The pitch of a block. */
export interface PitchEvent {
  readonly type: 'pitch';
  /** The block's first frame. */
  readonly position: number;
  /** When that frame was heard, on the page's `performance.now()`. */
  readonly at_ms: number;
  /** Nothing where there is no pitch: silence, noise. */
  readonly hz: number | null;
  readonly note: string | null;
  readonly cents: number | null;
  /** From 0 to 1. */
  readonly confidence: number;
  readonly voiced: boolean;
  /** Where it stands in its stream. */
  readonly time_s: number;
  /** From the moment that it is for until it was known. */
  readonly delay_ms: number;
}

/** How loud a block is. */
export interface LevelEvent {
  readonly type: 'level';
  readonly position: number;
  readonly at_ms: number;
  readonly frames: number;
  readonly peak: number;
  readonly rms: number;
  /** Samples at full scale or beyond. */
  readonly clipped: number;
  /** Samples that were no numbers, or without end. */
  readonly non_finite: number;
}

/** A value of an event's field. */
export type FieldValue = number | string | boolean | null;

/** An event of the engine's bus. `name` is the Rust type's, in snake_case. */
export interface EngineEvent {
  readonly type: 'event';
  readonly name: string;
  readonly source: string;
  readonly priority: string;
  readonly at_ms: number;
  readonly fields: Readonly<Record<string, FieldValue>>;
}

/** Events that were lost since the Worker's queue was too short. */
export interface MissedEvent {
  readonly type: 'missed';
  readonly events: number;
}

/** What the console tells unasked, after `buffer-debug on` or `events on`. */
export interface LineEvent {
  readonly type: 'line';
  readonly text: string;
}

/** What the engine tells, as it comes from wasm. */
export type EngineReport = PitchEvent | LevelEvent | EngineEvent | LineEvent | MissedEvent;

/**
 * - `starting`: being set up
 * - `running`: samples come
 * - `silent`: the source is connected and gives nothing (it has not begun, or is at its end)
 * - `suspended`: the context stands still: by the browser until the person does something, or by the page
 * - `interrupted`: the system took the audio away (a call, another program)
 * - `ended`: the source is gone: unplugged, stopped, permission taken back, or a file at its end
 * - `failed`: the engine or the worklet died
 * - `closed`: closed by the page
 */
export type FlowState = 'starting' | 'running' | 'silent' | 'suspended' | 'interrupted' | 'ended' | 'failed' | 'closed';

/** The state changed. */
export interface StateEvent {
  readonly type: 'state';
  readonly state: FlowState;
  /** Why, for a person. */
  readonly reason: string;
  /** When it was noticed, on the page's `performance.now()`. */
  readonly at_ms: number;
  /** Whether `reconnect()` may help. */
  readonly retriable: boolean;
  readonly error?: PcmflowError;
}

/** The devices that the browser lists changed. */
export interface DevicesEvent {
  readonly type: 'devices';
  readonly at_ms: number;
  /** The labels of what records; empty labels without permission. */
  readonly inputs: readonly string[];
}

/** Every kind of event with what it carries. */
export interface PcmflowEvents {
  pitch: PitchEvent;
  level: LevelEvent;
  /** `backpressure_detected`, `backpressure_cleared`, `strategy_changed`. */
  backpressure: EngineEvent;
  /** `alert_raised`, `alert_cleared`. */
  alert: EngineEvent;
  /** `gap_opened`: frames are missing, with position, length and cause. */
  gap: EngineEvent;
  state: StateEvent;
  devices: DevicesEvent;
  /** Every event of the engine's bus, those above too. */
  event: EngineEvent;
  line: LineEvent;
  missed: MissedEvent;
}

const TOPICS: Readonly<Record<string, 'backpressure' | 'alert' | 'gap'>> = {
  backpressure_detected: 'backpressure',
  backpressure_cleared: 'backpressure',
  strategy_changed: 'backpressure',
  alert_raised: 'alert',
  alert_cleared: 'alert',
  gap_opened: 'gap',
};

/** The kind of its own that an engine event has besides `event`. */
export function topicOf(event: EngineEvent): 'backpressure' | 'alert' | 'gap' | undefined {
  return Object.hasOwn(TOPICS, event.name) ? TOPICS[event.name] : undefined;
}
