/**
 * What the boundary between JavaScript and wasm, and between threads, costs in garbage. A page can't see collections;
 * what causes them it can count.
 */

/** Counts from the beginning, of one side of the boundary. */
export interface BoundaryFigures {
  /** Objects made: ArrayBuffers, also those that arrive by transfer (each is a new object), and views on them. */
  readonly allocations: number;
  /** Bytes of storage that was allocated for them; a transfer allocates none. */
  readonly bytes: number;
  /** Copies of samples over the boundary. */
  readonly copies: number;
  /** Their bytes. */
  readonly copiedBytes: number;
  /** Times that all views were renewed since wasm memory had grown. */
  readonly renewals: number;
}

/** Counts as it goes. Makes no garbage. */
export class BoundaryCounts implements BoundaryFigures {
  allocations = 0;
  bytes = 0;
  copies = 0;
  copiedBytes = 0;
  renewals = 0;

  /** Counts `objects` that were made, with `bytes` of storage of their own. */
  made(objects: number, bytes: number): void {
    this.allocations += objects;
    this.bytes += bytes;
  }

  /** Counts a copy of `bytes`. */
  copied(bytes: number): void {
    this.copies += 1;
    this.copiedBytes += bytes;
  }

  /** A copy for a message or a snapshot. */
  figures(): BoundaryFigures {
    const { allocations, bytes, copies, copiedBytes, renewals } = this;
    return { allocations, bytes, copies, copiedBytes, renewals };
  }
}
