/** The Worker's file: a {@link Service} on the Worker's own messages. */
import type { Request } from './protocol.js';
import { Service } from './service.js';

const service = new Service({
  post: (message) => postMessage(message),
  now: () => performance.now(),
  timeOrigin: performance.timeOrigin,
});

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  void service.serve(data);
});
