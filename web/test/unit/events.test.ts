import { describe, expect, it, vi } from 'vitest';
import { Emitter } from '../../src/emitter.js';
import { topicOf, type EngineEvent, type PcmflowEvents } from '../../src/events.js';
import { microphoneError } from '../../src/sources.js';

describe('an emitter', () => {
  it('tells who listens, and no more who stopped', () => {
    const emitter = new Emitter<PcmflowEvents>();
    const heard: string[] = [];
    const listener = (): void => void heard.push('first');
    const stop = emitter.on('missed', listener);
    emitter.on('missed', listener);
    emitter.on('missed', ({ events }) => heard.push(`second ${events}`));
    stop();
    emitter.emit('missed', { type: 'missed', events: 4 });
    expect(heard).toEqual(['first', 'second 4']);
    emitter.clear();
    emitter.emit('missed', { type: 'missed', events: 5 });
    expect(heard).toHaveLength(2);
  });

  it('goes on when a listener throws, and does not hide it', () => {
    const reported = vi.fn();
    vi.stubGlobal('reportError', reported);
    const emitter = new Emitter<PcmflowEvents>();
    const mistake = new Error('mine');
    const heard = vi.fn();
    emitter.on('missed', () => {
      throw mistake;
    });
    emitter.on('missed', heard);
    emitter.emit('missed', { type: 'missed', events: 1 });
    expect(heard).toHaveBeenCalledTimes(1);
    expect(reported).toHaveBeenCalledWith(mistake);
    vi.unstubAllGlobals();
  });
});

it.each([
  ['backpressure_detected', 'backpressure'],
  ['strategy_changed', 'backpressure'],
  ['alert_cleared', 'alert'],
  ['gap_opened', 'gap'],
  ['source_started', undefined],
  ['toString', undefined],
])('%s is told as %s', (name, topic) => {
  const event: EngineEvent = { type: 'event', name, source: 'input', priority: 'high', at_ms: 0, fields: {} };
  expect(topicOf(event)).toBe(topic);
});

it.each([
  ['NotAllowedError', 'permission', /allow it in the browser/],
  ['NotFoundError', 'device', /plug one in/],
  ['NotReadableError', 'device', /another program/],
  ['TypeError', 'device', /can't be opened: x/],
])('%s of the browser is told as %s', (name, code, text) => {
  const error = microphoneError(new DOMException('x', name));
  expect(error).toMatchObject({ code, retriable: true });
  expect(error.message).toMatch(text);
});
