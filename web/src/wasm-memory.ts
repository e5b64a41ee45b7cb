/**
 * The limits of the memory that a wasm module imports. `WebAssembly.Module.imports` tells that there is one, not how
 * large it must be, and the two must agree to instantiate; so the import section is read here.
 */

/** In pages of 64 KiB. */
export interface MemoryLimits {
  readonly initial: number;
  readonly maximum: number | undefined;
  readonly shared: boolean;
}

const IMPORTS = 2;
const FUNCTION = 0;
const TABLE = 1;
const MEMORY = 2;
const GLOBAL = 3;

/**
 * Reads the first memory that a module imports; `undefined` where it imports none.
 *
 * Throws a `RangeError` or `TypeError` on bytes that are no wasm module.
 */
export function importedMemory(bytes: Uint8Array): MemoryLimits | undefined {
  const read = new Reader(bytes);
  if (read.u32le() !== 0x6d736100 || read.u32le() !== 1) throw new TypeError('not a wasm module of version 1');
  while (!read.done()) {
    const section = read.byte();
    const length = read.leb();
    if (section !== IMPORTS) {
      read.skip(length);
      continue;
    }
    for (let left = read.leb(); left > 0; left -= 1) {
      read.skip(read.leb());
      read.skip(read.leb());
      const kind = read.byte();
      if (kind === MEMORY) {
        const flags = read.byte();
        const initial = read.leb();
        return { initial, maximum: (flags & 1) === 1 ? read.leb() : undefined, shared: (flags & 2) === 2 };
      }
      skipImport(read, kind);
    }
    return undefined;
  }
  return undefined;
}

function skipImport(read: Reader, kind: number): void {
  if (kind === FUNCTION) {
    read.leb();
  } else if (kind === TABLE) {
    read.byte();
    const flags = read.byte();
    read.leb();
    if ((flags & 1) === 1) read.leb();
  } else if (kind === GLOBAL) {
    read.skip(2);
  } else {
    throw new TypeError(`an import of kind ${kind} is not known here`);
  }
}

class Reader {
  #at = 0;

  constructor(readonly bytes: Uint8Array) {}

  done(): boolean {
    return this.#at >= this.bytes.length;
  }

  byte(): number {
    const byte = this.bytes[this.#at];
    if (byte === undefined) throw new RangeError('the wasm module ends too early');
    this.#at += 1;
    return byte;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  u32le(): number {
    return (this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24)) >>> 0;
  }

  /** An unsigned number of at most 32 bits, in LEB128. */
  leb(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a number of the wasm module is too long');
  }
}
