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

/** A context whose worklets are counted by the test itself; `counted` answers what it has counted. */
async function countingContext() {
  const context = new AudioContext({ latencyHint: 'interactive' });
  await context.audioWorklet.addModule('/page/counter.js');
  const counter = new AudioWorkletNode(context, 'counter');
  const counted = () =>
    new Promise((resolve) => {
      counter.port.onmessage = ({ data }) => resolve(data);
      counter.port.postMessage('how many?');
    });
  return { context, counted };
}

Object.assign(window, { pcmflow, listenTo, countingContext });
