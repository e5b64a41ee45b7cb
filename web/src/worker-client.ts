/** {@link WorkerClient}: the page's end of the Worker. Calls become promises; its death rejects all that wait. */
import { PcmflowError } from './errors.js';
import type { EngineReport } from './events.js';
import type { Calls, FromWorker } from './protocol.js';

/** How long an answer is waited for. Setting up compiles; nothing else takes long. */
const ANSWER_MS = 10_000;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: PcmflowError): void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** What a Worker is to its client. */
export type WorkerLike = Pick<Worker, 'postMessage' | 'terminate' | 'onmessage' | 'onerror' | 'onmessageerror'>;

/** Speaks to one Worker. */
export class WorkerClient {
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #dead: PcmflowError | undefined;
  /** Called with what the engine tells. */
  onEvents: (events: readonly EngineReport[]) => void = () => {};
  /** Called once, when the Worker can't go on. */
  onDead: (error: PcmflowError) => void = () => {};

  constructor(
    readonly worker: WorkerLike,
    /** Calls the Worker out of a timed wait. */
    readonly wake: Int32Array | null,
  ) {
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#take(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#die(new PcmflowError('load', `the worker can't run: ${event.message || 'its file is not there, or is not allowed'}`));
    };
    worker.onmessageerror = () => this.#die(new PcmflowError('load', "the worker's message can't be read"));
  }

  /** Asks the Worker. */
  call<C extends keyof Calls>(call: C, body: Calls[C]['body'], transfer: Transferable[] = []): Promise<Calls[C]['answer']> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new PcmflowError('timeout', `the engine did not answer '${call}' within ${ANSWER_MS / 1000} s: reconnect, or reload the page`));
      }, ANSWER_MS);
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject, timer });
      this.worker.postMessage({ id, call, body }, transfer);
      if (this.wake !== null) {
        Atomics.add(this.wake, 0, 1);
        Atomics.notify(this.wake, 0);
      }
    });
  }

  /** Ends the Worker at once, whatever it does. */
  terminate(error = new PcmflowError('closed', 'it was closed')): void {
    this.#dead ??= error;
    this.worker.terminate();
    this.#rejectAll(this.#dead);
  }

  #take(message: FromWorker): void {
    switch (message.type) {
      case 'events':
        this.onEvents(message.events);
        break;
      case 'dead':
        this.#die(new PcmflowError('trap', message.trouble.message));
        break;
      case 'answer':
        this.#settle(message.id)?.resolve(message.value);
        break;
      case 'refused':
        this.#settle(message.id)?.reject(new PcmflowError(message.trouble.code, message.trouble.message));
        break;
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (waiting !== undefined) clearTimeout(waiting.timer);
    return waiting;
  }

  #die(error: PcmflowError): void {
    if (this.#dead !== undefined) return;
    this.#dead = error;
    this.#rejectAll(error);
    this.onDead(error);
  }

  #rejectAll(error: PcmflowError): void {
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(error);
  }
}
