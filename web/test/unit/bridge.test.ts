import { describe, expect, it } from 'vitest';
import { WasmJsBridge } from '../../src/bridge.js';
import { HEAD, JsBufferPool, type BufferFormat } from '../../src/buffer-ref.js';

const memories: [string, () => WebAssembly.Memory][] = [
  ['plain', () => new WebAssembly.Memory({ initial: 1, maximum: 4 })],
  ['shared', () => new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true })],
];

describe.each(memories)('a bridge to %s memory', (_, make) => {
  it('makes a view once, and anew when memory grows', () => {
    const memory = make();
    const bridge = new WasmJsBridge(memory);
    const view = bridge.f32(256, 128);
    const made = bridge.counts.allocations;
    expect(bridge.f32(256, 128)).toBe(view);
    expect(bridge.counts.allocations).toBe(made);
    view[0] = 0.5;
    memory.grow(1);
    const renewed = bridge.f32(256, 128);
    expect(renewed === view).toBe(false);
    expect(renewed[0]).toBe(0.5);
    expect(bridge.counts.renewals).toBe(1);
    // What is new can be reached.
    bridge.i16(65536, 8)[0] = 7;
    expect(new Int16Array(memory.buffer, 65536, 1)[0]).toBe(7);
  });

  it('carries text of any length and script both ways', () => {
    const memory = make();
    const bridge = new WasmJsBridge(memory);
    for (const text of ['', 'A♯4 — ど', 'x'.repeat(20_000), '𝄞'.repeat(3000)]) {
      const bytes = bridge.writeText(text, (room) => {
        expect(room).toBe(new TextEncoder().encode(text).length);
        return 4096;
      });
      expect(bridge.readText(4096, bytes)).toBe(text);
    }
  });

  it('writes text where growing memory made room', () => {
    const memory = make();
    const bridge = new WasmJsBridge(memory);
    const bytes = bridge.writeText('later', () => memory.grow(1) * 65536);
    expect(bridge.readText(65536, bytes)).toBe('later');
  });
});

const formats: BufferFormat[] = (['f32', 'i16'] as const).flatMap((sample) =>
  (['planar', 'interleaved'] as const).flatMap((layout) =>
    [1, 2, 3].map((channels) => ({ sample, layout, channels, capacityFrames: 64 })),
  ),
);

describe.each(formats)('$sample, $layout, $channels channels', (format) => {
  const places = Array.from({ length: format.channels }, (_, channel) => 1024 + channel * 256);
  const value = (channel: number, frame: number): number => ((channel * 64 + frame) * 100 - 9000) / 32768;

  it.each([64, 37])('goes out and in again the same, %i frames', (frames) => {
    const bridge = new WasmJsBridge(new WebAssembly.Memory({ initial: 1 }));
    const ref = new JsBufferPool(format, 1).take()!;
    places.forEach((place, channel) => {
      for (let frame = 0; frame < 64; frame += 1) bridge.f32(place, 64)[frame] = value(channel, frame);
    });
    bridge.copyOut(places, ref, frames);
    expect(ref.head[HEAD.frames]).toBe(frames);
    const index = (channel: number, frame: number): number =>
      format.layout === 'planar' ? channel * 64 + frame : frame * format.channels + channel;
    const scale = format.sample === 'f32' ? 1 : 32768;
    expect(ref.samples[index(format.channels - 1, frames - 1)]).toBe(value(format.channels - 1, frames - 1) * scale);

    for (const place of places) bridge.f32(place, 64).fill(9);
    bridge.copyIn(ref, places);
    places.forEach((place, channel) => {
      const expected = Array.from({ length: 64 }, (_, frame) => (frame < frames ? value(channel, frame) : 9));
      expect([...bridge.f32(place, 64)]).toEqual(expected);
    });
    const bytes = frames * format.channels * (format.sample === 'f32' ? 4 : 2);
    expect(bridge.counts.figures()).toMatchObject({ copies: 2, copiedBytes: 2 * bytes });
  });

  it('makes nothing while it copies', () => {
    const bridge = new WasmJsBridge(new WebAssembly.Memory({ initial: 1 }));
    const ref = new JsBufferPool(format, 1).take()!;
    bridge.copyOut(places, ref, 64);
    const { allocations, bytes } = bridge.counts;
    for (let n = 0; n < 100; n += 1) {
      bridge.copyIn(ref, places);
      bridge.copyOut(places, ref, 64);
    }
    expect(bridge.counts).toMatchObject({ allocations, bytes });
  });

  it('has a place for each channel, or says so', () => {
    const bridge = new WasmJsBridge(new WebAssembly.Memory({ initial: 1 }));
    const ref = new JsBufferPool(format, 1).take()!;
    expect(() => bridge.copyOut(places.slice(1), ref, 1)).toThrow(/there is no place for channel/);
  });
});

it('what 16 bits cannot hold is limited, and what is no number is silence', () => {
  const bridge = new WasmJsBridge(new WebAssembly.Memory({ initial: 1 }));
  const ref = new JsBufferPool({ sample: 'i16', layout: 'planar', channels: 1, capacityFrames: 6 }, 1).take()!;
  bridge.f32(1024, 6).set([1, -1, 1e30, -Infinity, NaN, 0.5 / 32768]);
  bridge.copyOut([1024], ref, 6);
  expect([...ref.samples]).toEqual([32767, -32768, 32767, -32768, 0, 1]);
});
