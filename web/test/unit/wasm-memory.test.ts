import { describe, expect, it } from 'vitest';
import { importedMemory } from '../../src/wasm-memory.js';

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const name = (text: string): number[] => [text.length, ...new TextEncoder().encode(text)];
const section = (id: number, body: number[]): number[] => [id, body.length, ...body];
const module = (...imports: number[][]): Uint8Array<ArrayBuffer> =>
  new Uint8Array([
    ...HEADER,
    ...section(0, name('custom')),
    ...section(1, [1, 0x60, 0, 0]),
    ...section(2, [imports.length, ...imports.flat()]),
  ]);
const entry = (kind: number[]): number[] => [...name('env'), ...name('it'), ...kind];

describe('the memory that a module imports', () => {
  it('is read with its limits, after imports of every other kind', () => {
    const bytes = module(
      entry([0, 0]),
      entry([1, 0x70, 1, 1, 9]),
      entry([3, 0x7f, 1]),
      entry([2, 3, 0xa0, 0x01, 0x80, 0x80, 0x01]),
    );
    expect(WebAssembly.validate(bytes)).toBe(true);
    expect(importedMemory(bytes)).toEqual({ initial: 160, maximum: 16384, shared: true });
  });

  it('may have no maximum, and be unshared', () => {
    expect(importedMemory(module(entry([2, 0, 17])))).toEqual({ initial: 17, maximum: undefined, shared: false });
  });

  it('is none where none is imported', () => {
    expect(importedMemory(module(entry([0, 0])))).toBeUndefined();
    expect(importedMemory(new Uint8Array(HEADER))).toBeUndefined();
  });

  it('is not read out of what is no module, or ends too early', () => {
    expect(() => importedMemory(new TextEncoder().encode('<!doctype html>'))).toThrow('not a wasm module');
    const bytes = module(entry([2, 3, 0xa0, 0x01, 0x80, 0x80, 0x01]));
    expect(() => importedMemory(bytes.subarray(0, bytes.length - 3))).toThrow('ends too early');
    expect(() => importedMemory(module(entry([9])))).toThrow('kind 9');
  });
});
