/** The page of the tests: the shipped one, before a recorded source. `?problem=permission` lets the first start fail so. */

import { Page } from '../../src/page.ts';
import { problemOf } from '../../src/problems.ts';
import { RecordedSource } from './recorded.ts';
import type { Recording } from './recorded.ts';
import recording from './recording.json';

const wish = new URLSearchParams(location.search).get('problem');
const thrown = Object.assign(new Error('Permission denied by system'), { code: wish });
const source = new RecordedSource(recording as unknown as Recording, {
  mode: { name: 'shared', reason: 'the page is isolated: its threads share one memory', latency_ms: 2.7 },
  problem: wish === null ? null : problemOf(thrown, 'microphone'),
});
Object.assign(window, { recorded: source });

const place = document.getElementById('page');
if (place) new Page(source, place);
