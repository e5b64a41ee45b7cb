// A count of a test's own in the worklet's scope, loaded before the package's worklet: what the audio thread gives the processor
// `pcmflow` from the moment it has its port until it is told to stop, whatever that makes of it.
const count = { frames: 0, quanta: 0, missing: 0, streams: 0 };

const register = globalThis.registerProcessor;
globalThis.registerProcessor = (name, Processor) => {
  if (name !== 'pcmflow') return register(name, Processor);
  return register(
    name,
    class extends Processor {
      #counts = false;
      /** The frame of the context that follows the last one counted. */
      #next;

      constructor(options) {
        super(options);
        this.port.addEventListener('message', ({ data }) => {
          this.#counts = data.type === 'port';
          if (this.#counts) count.streams += 1;
        });
      }

      process(inputs, outputs, parameters) {
        const frames = inputs[0]?.[0]?.length ?? 0;
        if (this.#counts && frames > 0) {
          count.missing += currentFrame - (this.#next ?? currentFrame);
          this.#next = currentFrame + frames;
          count.frames += frames;
          count.quanta += 1;
        }
        return super.process(inputs, outputs, parameters);
      }
    },
  );
};

register(
  'counter',
  class extends AudioWorkletProcessor {
    constructor() {
      super();
      this.port.onmessage = () => this.port.postMessage(count);
    }

    process() {
      return true;
    }
  },
);
