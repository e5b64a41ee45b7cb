import { describe, expect, it } from 'vitest';
import { allowed, label, readSettings, setting } from '../../src/settings.ts';
import type { Answer } from '../../src/source.ts';

describe('settings', () => {
  it.each([
    ['1 to 10000', { kind: 'number', min: 1, max: 10_000 }],
    ['true or false', { kind: 'switch' }],
    ['critical, high, normal', { kind: 'word', words: ['critical', 'high', 'normal'] }],
    ['a list of 1 to 16 ascending numbers from 64 to 1048576', { kind: 'text' }],
  ])('%o is what a control can ask for', (text, expected) => {
    expect(allowed(text)).toEqual(expected);
  });

  it('reads every key that is shown, and leaves out what is refused', async () => {
    const asked: string[] = [];
    const answers: Record<string, Answer> = {
      'config show': { ok: true, rows: [{ key: 'alerts.latency_ms_on' }, { key: 'gone.away' }] },
      'config get alerts.latency_ms_on': {
        ok: true,
        rows: [{ key: 'alerts.latency_ms_on', value: 30, from: 'default', allowed: '1 to 10000', live: true, meaning: 'Wrong from here on.' }],
      },
    };
    const settings = await readSettings(async (line) => {
      asked.push(line);
      return answers[line] ?? { ok: false, text: 'there is no such key' };
    });
    expect(asked).toContain('config get gone.away');
    expect(settings).toHaveLength(1);
    expect(settings[0]).toMatchObject({ key: 'alerts.latency_ms_on', value: 30, live: true, allowed: { kind: 'number' } });
  });

  it('is none where the engine refuses', () => {
    expect(setting({ ok: false, text: 'no' })).toBeNull();
    expect(setting({ ok: true })).toBeNull();
  });

  it('labels a key in words, with its unit', () => {
    expect(label('alerts.latency_ms_on')).toBe('latency (ms) on');
    expect(label('metrics.sample_ms')).toBe('sample (ms)');
    expect(label('flow.strategy')).toBe('strategy');
  });
});
