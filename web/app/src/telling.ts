/** Events of the engine as sentences, and which of them a person wants to see. */

import { count, counted, milliseconds, timecode } from './format.ts';
import type { BusEvent, EventName } from './source.ts';

export type Weight = 'trouble' | 'relief' | 'note';

export interface Told {
  weight: Weight;
  text: string;
}

/** What matters while somebody plays; the rest is for the console (`events on`). */
const WEIGHTS: Partial<Record<EventName, Weight>> = {
  backpressure_detected: 'trouble',
  backpressure_cleared: 'relief',
  strategy_changed: 'note',
  pipeline_failure: 'trouble',
  flow_recovery: 'relief',
  format_changed: 'note',
  gap_opened: 'trouble',
  source_started: 'note',
  source_stopped: 'note',
  task_panicked: 'trouble',
  config_changed: 'note',
  alert_raised: 'trouble',
  alert_cleared: 'relief',
  js_gc_pressure: 'trouble',
  critical_lost: 'trouble',
  platform_changed: 'note',
};

/** The event as a sentence; none for those that only the console tells. */
export function tell(event: BusEvent, rate_hz: number | null): Told | null {
  const weight = WEIGHTS[event.name];
  const text = weight === undefined ? null : sentence(event, rate_hz);
  return weight === undefined || text === null ? null : { weight, text };
}

function sentence(event: BusEvent, rate_hz: number | null): string | null {
  const at = (position: number): string =>
    rate_hz === null ? `frame ${count(position)}` : timecode(position, rate_hz);
  const hz = (rate: number, channels: number): string => `${count(rate)} Hz, ${counted(channels, 'channel')}`;
  switch (event.name) {
    case 'backpressure_detected': {
      const { pipeline, slow, queued_chunks, capacity_chunks } = event.fields;
      return `Back-pressure in ${pipeline}: ${slow} is too slow, ${queued_chunks} of ${capacity_chunks} chunks wait`;
    }
    case 'backpressure_cleared':
      return `${event.fields.slow} caught up in ${event.fields.pipeline} after ${milliseconds(event.fields.duration_ns)}`;
    case 'strategy_changed':
      return `${event.fields.pipeline} now does ${event.fields.to} instead of ${event.fields.from}: ${event.fields.reason}`;
    case 'pipeline_failure':
      return `${event.fields.pipeline} failed at ${event.fields.module || 'an unknown place'}: ${event.fields.kind}`;
    case 'flow_recovery':
      return `${event.fields.pipeline} works again after ${milliseconds(event.fields.down_ns)}`;
    case 'format_changed':
      return `${event.fields.stream} is ${hz(event.fields.rate_hz, event.fields.channels)} from ${at(event.fields.position)} on`;
    case 'gap_opened':
      return `${event.fields.edge} lost ${counted(event.fields.frames, 'frame')} at ${at(event.fields.position)}: ${event.fields.cause}`;
    case 'source_started':
      return `${event.fields.source} started: ${hz(event.fields.rate_hz, event.fields.channels)}`;
    case 'source_stopped': {
      const how = event.fields.as_planned ? 'ended' : 'failed';
      return `${event.fields.source} ${how} at ${at(event.fields.position)}`;
    }
    case 'task_panicked':
      return `A part of the engine broke: ${event.fields.task}`;
    case 'config_changed':
      return event.fields.keys > 0 ? `${counted(event.fields.keys, 'setting')} changed` : null;
    case 'alert_raised':
      return `Alert: ${event.fields.alert} of ${event.fields.subject} is ${count(event.fields.value)}, limit ${count(event.fields.limit)}`;
    case 'alert_cleared':
      return `Over: ${event.fields.alert} of ${event.fields.subject}, after ${milliseconds(event.fields.duration_ns)}`;
    case 'js_gc_pressure':
      return `Much garbage at the boundary: ${counted(event.fields.allocations_per_s, 'allocation')} a second`;
    case 'critical_lost':
      return `${counted(event.fields.events, 'urgent event')} found no room`;
    case 'platform_changed':
      return `This device changed: ${event.fields.fact} was ${count(event.fields.before)}, is ${count(event.fields.after)}`;
    default:
      return null;
  }
}
