/** A module that dies: the real one, with the body of one exported function replaced by `unreachable`. */

const IMPORTS = 2;
const EXPORTS = 7;
const CODE = 10;
const UNREACHABLE = 0x00;
const END = 0x0b;

/** Every byte of the body becomes `unreachable`, so that nothing else moves. */
export function trapping(wasm: Uint8Array, exported: string): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(wasm);
  let at = 8;
  let importedFunctions = 0;
  let index: number | undefined;
  const byte = (): number => bytes[at++]!;
  const leb = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const next = byte();
      value += (next & 0x7f) * 2 ** shift;
      if (next < 0x80) return value;
    }
  };
  const name = (): string => {
    const length = leb();
    at += length;
    return new TextDecoder().decode(bytes.subarray(at - length, at));
  };
  while (at < bytes.length) {
    const section = byte();
    const length = leb();
    const end = at + length;
    if (section === IMPORTS) {
      for (let left = leb(); left > 0; left -= 1) {
        name();
        name();
        const kind = byte();
        if (kind === 0) importedFunctions += 1;
        if (kind === 1) byte();
        if (kind === 1 || kind === 2) {
          const flags = byte();
          leb();
          if ((flags & 1) === 1) leb();
        } else if (kind === 3) at += 2;
        else leb();
      }
    } else if (section === EXPORTS) {
      for (let left = leb(); left > 0; left -= 1) {
        const found = name() === exported;
        const kind = byte();
        const value = leb();
        if (found && kind === 0) index = value;
      }
    } else if (section === CODE) {
      if (index === undefined) throw new Error(`the module exports no function ${exported}`);
      const functions = leb();
      for (let own = 0; own < functions; own += 1) {
        const size = leb();
        if (own === index - importedFunctions) {
          bytes.fill(UNREACHABLE, at, at + size - 1);
          bytes[at + size - 1] = END;
          return bytes;
        }
        at += size;
      }
    }
    at = end;
  }
  throw new Error(`the module has no body for ${exported}`);
}
