/** The page in the browser: its engine runs beside it. */

import { isolate } from 'pcmflow';
import { BrowserSource } from './browser-source.ts';
import { Page } from './page.ts';

/** `?isolate` in the address: for hosts that send no headers. The service worker stays, so that it need not be said again. */
const wanted = new URLSearchParams(location.search).has('isolate');
const isolation = wanted ? await isolate({ workerUrl: './isolation-worker.js' }) : undefined;
if (isolation?.state === 'refused') console.warn(isolation.reason);

const place = document.getElementById('page');
if (place && isolation?.state !== 'reloading') new Page(new BrowserSource(), place);
