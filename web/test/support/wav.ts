/** Just enough of WAV for tests: reading what the recordings use, and writing mono 16 bits, which is what a fake microphone takes. */

export interface Sound {
  readonly rateHz: number;
  /** The first channel. */
  readonly samples: Float32Array;
}

/** Reads 16, 24 and 32 bit integers, and 32 bit floats. */
export function readWav(bytes: Uint8Array): Sound {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let format: { code: number; channels: number; rateHz: number; bits: number } | undefined;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const id = String.fromCharCode(...bytes.subarray(at, at + 4));
    const length = view.getUint32(at + 4, true);
    const body = at + 8;
    if (id === 'fmt ') {
      const code = view.getUint16(body, true);
      format = {
        code: code === 0xfffe ? view.getUint16(body + 24, true) : code,
        channels: view.getUint16(body + 2, true),
        rateHz: view.getUint32(body + 4, true),
        bits: view.getUint16(body + 14, true),
      };
    } else if (id === 'data' && format !== undefined) {
      const { code, channels, rateHz, bits } = format;
      const frameBytes = (channels * bits) / 8;
      const frames = Math.floor(Math.min(length, view.byteLength - body) / frameBytes);
      const samples = Float32Array.from({ length: frames }, (_, frame) => sample(view, body + frame * frameBytes, code, bits));
      return { rateHz, samples };
    }
    at = body + length + (length % 2);
  }
  throw new Error('the WAV has no samples');
}

function sample(view: DataView, at: number, code: number, bits: number): number {
  if (code === 3 && bits === 32) return view.getFloat32(at, true);
  if (code === 1 && bits === 16) return view.getInt16(at, true) / 2 ** 15;
  if (code === 1 && bits === 24) return ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 2 ** 23;
  if (code === 1 && bits === 32) return view.getInt32(at, true) / 2 ** 31;
  throw new Error(`a WAV of format ${code} with ${bits} bits is not read here`);
}

/** Writes mono, 16 bits. */
export function writeWav({ rateHz, samples }: Sound): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(44 + samples.length * 2);
  const view = new DataView(bytes.buffer);
  const text = (at: number, letters: string): void => bytes.set(new TextEncoder().encode(letters), at);
  text(0, 'RIFF');
  view.setUint32(4, 36 + samples.length * 2, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rateHz, true);
  view.setUint32(28, rateHz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((value, frame) => {
    view.setInt16(44 + frame * 2, Math.round(Math.min(Math.max(value, -1), 1) * 32767), true);
  });
  return bytes;
}
