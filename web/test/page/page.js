// What a plain page does: import the package and use it. Tests drive it by what it leaves on `window`.
import * as pcmflow from '../dist/index.js';

/** Sets a flow up and keeps what it tells. */
async function listenTo(options) {
  const told = { pitch: [], level: [], event: [], state: [], gap: [], devices: [], missed: [] };
  const flow = await pcmflow.createPcmflow(options);
  for (const kind of Object.keys(told)) {
    flow.on(kind, (event) => told[kind].push({ ...event, heard_ms: performance.now(), error: undefined }));
  }
  return { flow, told };
}

Object.assign(window, { pcmflow, listenTo });
