import { describe, expect, it } from 'vitest';
import { common, complete, usages } from '../../src/completion.ts';
import type { Vocabulary } from '../../src/completion.ts';
import { setting } from '../../src/settings.ts';
import type { Answer } from '../../src/source.ts';

/** As the engine answers. */
const help: Answer = {
  ok: true,
  rows: [
    'buffer-status', 'buffer-metrics', 'buffer-reset', 'buffer-debug on', 'buffer-debug off', 'input start NAME', 'input stop NAME',
    'pipeline list', 'pipeline stop NAME', 'pool status', 'pool trim', 'pool clear', 'config show', 'config get KEY',
    'config set KEY VALUE', 'help', 'help WORD',
  ].map((words) => ({ words, 'what they do': '' })),
};

const key = (name: string, allowed: string, live: boolean): Answer => ({
  ok: true,
  rows: [{ key: name, value: 'adaptive', from: 'default', allowed, live, meaning: '' }],
});

const vocabulary: Vocabulary = {
  usages: usages(help),
  settings: [
    key('flow.strategy', 'throttle, buffer, drop-oldest, drop-newest, block, adaptive', true),
    key('console.events', 'true or false', true),
    key('audio.channels', '1 to 64', false),
  ]
    .map(setting)
    .filter((found) => found !== null),
  names: { input: ['input'], pipeline: ['input→pitch', 'input→level'] },
};

describe('completion', () => {
  it.each([
    ['pool ', ['pool clear', 'pool status', 'pool trim']],
    ['buffer-d', ['buffer-debug']],
    ['buffer-debug o', ['buffer-debug off', 'buffer-debug on']],
    ['config get audio.ch', ['config get audio.channels']],
    ['config set flow.strategy b', ['config set flow.strategy block', 'config set flow.strategy buffer']],
    ['config set console.events ', ['config set console.events false', 'config set console.events true']],
    ['pipeline stop input→l', ['pipeline stop input→level']],
    ['input start ', ['input start input']],
    ['help po', ['help pool']],
    ['nonsense ', []],
    ['pool status', []],
    ['pool status ', []],
    ['config set flow.strategy block ', []],
  ])('%o becomes %o', (typed, lines) => {
    expect(complete(typed, vocabulary)).toEqual(lines);
  });

  it('begins with every first word, each once', () => {
    expect(complete('', vocabulary)).toEqual([
      'buffer-debug', 'buffer-metrics', 'buffer-reset', 'buffer-status', 'config', 'help', 'input', 'pipeline', 'pool',
    ]);
  });

  it('offers to set only what may change', () => {
    expect(complete('config set ', vocabulary)).toEqual(['config set console.events', 'config set flow.strategy']);
    expect(complete('config get ', vocabulary)).toContain('config get audio.channels');
  });

  it('knows nothing before the engine told its words', () => {
    expect(complete('pool ', { usages: [], settings: [], names: {} })).toEqual([]);
  });

  it('completes as far as all agree', () => {
    expect(common(['pool status', 'pool stop'])).toBe('pool st');
    expect(common(['help'])).toBe('help');
    expect(common([])).toBe('');
  });
});
