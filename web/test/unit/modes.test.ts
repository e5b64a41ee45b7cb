import { describe, expect, it } from 'vitest';
import { chooseMode, type Findings } from '../../src/modes.js';
import { probe } from '../../src/probe.js';

const everything: Findings = {
  secure: true,
  audioWorklet: true,
  worker: true,
  wasm: true,
  simd: true,
  isolated: true,
  sharedArrayBuffer: true,
  sharedPosts: true,
};

describe('the mode', () => {
  it('is shared where all is there', () => {
    expect(chooseMode(everything).mode).toBe('shared');
  });

  it.each([
    ['isolated', /not cross-origin isolated/],
    ['sharedArrayBuffer', /isolated, but this browser has no SharedArrayBuffer/],
    ['sharedPosts', /does not let threads share/],
  ] as const)('is plain without %s, and says why', (missing, reason) => {
    const choice = chooseMode({ ...everything, [missing]: false });
    expect(choice.mode).toBe('plain');
    expect(choice.reason).toMatch(reason);
  });

  it.each([
    ['secure', /not secure/],
    ['audioWorklet', /no AudioWorklet/],
    ['worker', /no Worker/],
    ['wasm', /no WebAssembly/],
    ['simd', /no WebAssembly SIMD/],
  ] as const)('is refused without %s, and says what would help', (missing, reason) => {
    for (const wanted of [undefined, 'shared', 'plain'] as const) {
      const choice = chooseMode({ ...everything, [missing]: false }, wanted);
      expect(choice.mode).toBeNull();
      expect(choice.reason).toMatch(reason);
    }
  });

  it('is plain where the page asks for it', () => {
    expect(chooseMode(everything, 'plain')).toEqual({ mode: 'plain', reason: 'the page asked for plain mode' });
  });

  it('is not plain in silence where the page asks for shared', () => {
    const choice = chooseMode({ ...everything, isolated: false }, 'shared');
    expect(choice.mode).toBeNull();
    expect(choice.reason).toMatch(/shared mode was asked for, but the page is not cross-origin isolated/);
  });
});

it('a probe of Node finds what Node has, and no audio', () => {
  const found = probe();
  expect(found).toMatchObject({ audioWorklet: false, wasm: true, simd: true, isolated: false, sharedArrayBuffer: true, sharedPosts: true });
  expect(chooseMode(found).mode).toBeNull();
});
