import { describe, expect, it } from 'vitest';
import { History, LineHistory, extent, range } from '../../src/history.ts';

describe('the last of something', () => {
  it('keeps the newest, in as many columns as it has', () => {
    const history = new History(2, 3);
    for (let at = 0; at < 5; at += 1) history.push(at, at === 4 ? null : at * 10);
    expect(history.columns()).toEqual([
      [2, 3, 4],
      [20, 30, null],
    ]);
    expect(history.length).toBe(3);
    history.push(5);
    expect(history.columns()[1]).toEqual([30, null, null]);
    history.clear();
    expect(history.length).toBe(0);
  });

  it('knows extremes, of what is known', () => {
    expect(extent([3, null, 1, 2])).toEqual({ now: 2, least: 1, most: 3 });
    expect(extent([3, null])).toEqual({ now: null, least: 3, most: 3 });
    expect(extent([])).toEqual({ now: null, least: null, most: null });
  });

  it('gives a trace an octave at least, and room for all', () => {
    const alone = range([69]);
    expect(alone.to - alone.from).toBe(12);
    expect(alone.from).toBeLessThan(69);
    expect(alone.to).toBeGreaterThan(69);
    const wide = range([40, null, 80.2]);
    expect(wide).toEqual({ from: 39, to: 82 });
    expect(range([null])).toEqual({ from: 63, to: 75 });
  });
});

describe('typed lines', () => {
  it('goes back to the first and forth to what was being typed', () => {
    const history = new LineHistory();
    history.add('one');
    history.add('two');
    expect(history.older('dra')).toBe('two');
    expect(history.older('two')).toBe('one');
    expect(history.older('one')).toBe('one');
    expect(history.newer()).toBe('two');
    expect(history.newer()).toBe('dra');
    expect(history.newer()).toBe('dra');
  });

  it('keeps neither empty lines nor the same twice in a row, and no more than it may', () => {
    const history = new LineHistory(2);
    for (const line of ['a', 'b', ' ', 'b', 'c']) history.add(line);
    expect([history.older(''), history.older(''), history.older('')]).toEqual(['c', 'b', 'b']);
  });

  it('has nothing to go back to at first', () => {
    const history = new LineHistory();
    expect(history.older('typed')).toBe('typed');
    expect(history.newer()).toBe('typed');
  });
});
