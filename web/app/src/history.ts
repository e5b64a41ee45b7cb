/** The last of something, in a bound that never grows. */

/** Numbers of the last so many moments, oldest first: what a chart and a trace draw. */
export class History {
  readonly #columns: (number | null)[][];
  readonly #length_max: number;

  constructor(columns: number, length_max: number) {
    this.#columns = Array.from({ length: columns }, () => []);
    this.#length_max = length_max;
  }

  get length(): number {
    return this.#columns[0]?.length ?? 0;
  }

  /** Adds a moment. A column that has nothing to say says null; missing ones have nothing to say. */
  push(...row: (number | null)[]): void {
    this.#columns.forEach((column, index) => {
      column.push(row[index] ?? null);
      if (column.length > this.#length_max) column.shift();
    });
  }

  /** The columns, the first first. Not to be changed. */
  columns(): readonly (readonly (number | null)[])[] {
    return this.#columns;
  }

  clear(): void {
    for (const column of this.#columns) column.length = 0;
  }
}

export interface Extent {
  now: number | null;
  least: number | null;
  most: number | null;
}

/** The last value of a column, and its extremes. */
export function extent(column: readonly (number | null)[]): Extent {
  const known = column.filter((value) => value !== null);
  const now = column[column.length - 1] ?? null;
  if (known.length === 0) return { now, least: null, most: null };
  return { now, least: Math.min(...known), most: Math.max(...known) };
}

/** The half-tones that a trace has room for: all that were heard, and an octave at least. */
export function range(column: readonly (number | null)[], least = 12): { from: number; to: number } {
  const { least: low, most: high } = extent(column);
  if (low === null || high === null) return { from: 69 - least / 2, to: 69 + least / 2 };
  const [from, to] = [Math.floor(low) - 1, Math.ceil(high) + 1];
  const missing = Math.max(0, least - (to - from));
  return { from: from - Math.ceil(missing / 2), to: to + Math.floor(missing / 2) };
}

/** Lines that somebody typed, to go back to. */
export class LineHistory {
  readonly #lines: string[] = [];
  readonly #length_max: number;
  /** The line that is shown; behind the last one stands what is being typed. */
  #at = 0;
  #typed = '';

  constructor(length_max = 100) {
    this.#length_max = length_max;
  }

  add(line: string): void {
    const text = line.trim();
    if (text !== '' && this.#lines[this.#lines.length - 1] !== text) {
      this.#lines.push(text);
      if (this.#lines.length > this.#length_max) this.#lines.shift();
    }
    this.#at = this.#lines.length;
    this.#typed = '';
  }

  /** The line before; `typed` is what stands there now. The first one stays. */
  older(typed: string): string {
    if (this.#at === this.#lines.length) this.#typed = typed;
    this.#at = Math.max(0, this.#at - 1);
    return this.#lines[this.#at] ?? this.#typed;
  }

  /** The line after; at the end what was being typed. */
  newer(): string {
    this.#at = Math.min(this.#lines.length, this.#at + 1);
    return this.#lines[this.#at] ?? this.#typed;
  }
}
