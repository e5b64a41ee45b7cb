/** The package's error: what failed, in words for a person, and what can be done. */

/**
 * What failed:
 * - `refused`: this browser or page lacks something that is needed
 * - `permission`: the person, or the page's policy, does not allow the microphone
 * - `device`: there is no such device, or it can't be opened
 * - `decode`: the file is no audio that this browser knows
 * - `load`: the wasm module, the worker or the worklet can't be loaded
 * - `engine`: the engine answered with an error; its text names the thing, the value and the way out
 * - `trap`: the engine died; `reconnect()` builds a new one
 * - `closed`: it was closed
 * - `timeout`: the worker did not answer
 */
export type ErrorCode =
  | 'refused'
  | 'permission'
  | 'device'
  | 'decode'
  | 'load'
  | 'engine'
  | 'trap'
  | 'closed'
  | 'timeout';

/** What this package throws and rejects with. */
export class PcmflowError extends Error {
  override readonly name = 'PcmflowError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Whether the same call may succeed later, without another browser or page. */
  get retriable(): boolean {
    return this.code !== 'refused' && this.code !== 'closed';
  }
}

/** The text of anything that was thrown. */
export function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
