/** What `page.js` leaves on `window`. */
import type * as pcmflow from '../../src/index.js';

/** An event with the time at which the page heard it. */
type Told<E> = E & { readonly heard_ms: number };

/** What `counter.js` counts, over all streams of a context. */
interface Counted {
  readonly frames: number;
  readonly quanta: number;
  /** Frames of the context between two quanta of a stream that were not given to it. */
  readonly missing: number;
  readonly streams: number;
}

declare global {
  interface Window {
    pcmflow: typeof pcmflow;
    listenTo(options: pcmflow.PcmflowOptions): Promise<{
      flow: pcmflow.Pcmflow;
      told: { [K in 'pitch' | 'level' | 'event' | 'state' | 'gap' | 'devices' | 'missed']: Told<pcmflow.PcmflowEvents[K]>[] };
    }>;
    countingContext(): Promise<{ context: AudioContext; counted(): Promise<Counted> }>;
  }
}
