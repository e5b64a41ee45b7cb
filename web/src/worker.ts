/** The Worker's file: a {@link Service} on the Worker's own messages. */
import type { Request } from './protocol.js';
import { Service } from './service.js';

/** A message to itself comes back after those that wait. */
const again = new MessageChannel();
let next = (): void => {};
again.port1.onmessage = () => next();

const service = new Service({
  post: (message) => postMessage(message),
  now: () => performance.now(),
  timeOrigin: performance.timeOrigin,
  soon: (step) => {
    next = step;
    again.port2.postMessage(null);
  },
});

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  void service.serve(data);
});
