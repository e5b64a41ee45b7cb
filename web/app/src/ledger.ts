/** The books in one line. */

import { count, counted, timecode } from './format.ts';
import type { Snapshot } from './source.ts';

type Books = Pick<Snapshot, 'ledger' | 'pipelines'>;

export interface LedgerLine {
  /** `settled to 01:23.456, 0 frames unaccounted`. */
  text: string;
  /** What became of the frames, in figures. */
  figures: string;
  /** False where frames are missing that nothing explains: a bug. */
  balanced: boolean;
}

/**
 * What the books say. `rate_hz` is that of the source, which turns positions into times; where it isn't known, positions stay frames.
 * `closed` says that the input has ended: then nothing is on its way, and all frames count.
 */
export function ledgerLine({ ledger, pipelines }: Books, rate_hz: number | null, closed = false): LedgerLine {
  // The books of all together count a frame once for each pipeline that gets it; a position is one pipeline's.
  const made = Object.values(pipelines).map((pipeline) => pipeline.ledger.frames_in);
  const at = closed ? Math.max(0, ...made) : ledger.settled_position;
  const missing = closed ? ledger.unaccounted : ledger.settled_unaccounted;
  const lost = Object.entries(ledger.dropped).filter(([, frames]) => frames > 0);
  const given_up = lost.reduce((sum, [, frames]) => sum + frames, 0);
  const causes = lost.map(([cause, frames]) => `${cause.replace('_', ' ')} ${count(frames)}`).join(', ');
  const listeners = made.length > 1 ? ` for ${made.length} listeners` : '';
  const figures =
    `${count(ledger.frames_in)} frames in${listeners}, ${count(ledger.delivered)} delivered, ${count(given_up)} given up` +
    `${causes === '' ? '' : ` (${causes})`}, ${count(ledger.in_flight)} on their way`;
  if (at === null) return { text: 'nothing settled yet', figures, balanced: true };
  const place = rate_hz === null ? `frame ${count(at)}` : timecode(at, rate_hz);
  const text = `settled to ${place}, ${counted(missing, 'frame')} unaccounted`;
  return { text, figures, balanced: missing === 0 };
}
