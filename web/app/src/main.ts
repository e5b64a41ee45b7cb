/** The page in the browser: its engine runs beside it. */

import { BrowserSource } from './browser-source.ts';
import { Page } from './page.ts';

const place = document.getElementById('page');
if (place) new Page(new BrowserSource(), place);
