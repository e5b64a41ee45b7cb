/** {@link Emitter}: listeners by the kind of event. */

/** Takes one kind of event. */
export type Listener<E> = (event: E) => void;

/** Calls who listens, in the order in which they came. A listener that throws does not keep others from hearing. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Listens to one kind; the answer stops it. */
  on<K extends keyof Events>(kind: K, listener: Listener<Events[K]>): () => void {
    const listeners = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, listeners);
    // A wrapper, so that the same function can listen twice and be stopped once.
    const own: Listener<Events[K]> = (event) => listener(event);
    listeners.add(own as Listener<never>);
    return () => {
      listeners.delete(own as Listener<never>);
    };
  }

  /** Tells everybody. What listeners throw is thrown where the page's `error` event sees it. */
  emit<K extends keyof Events>(kind: K, event: Events[K]): void {
    for (const listener of this.#listeners.get(kind) ?? []) {
      try {
        (listener as Listener<Events[K]>)(event);
      } catch (thrown) {
        reportError(thrown);
      }
    }
  }

  /** Forgets everybody. */
  clear(): void {
    this.#listeners.clear();
  }
}
