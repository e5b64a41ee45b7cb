import { describe, expect, it } from 'vitest';
import { ledgerLine } from '../../src/ledger.ts';
import type { Snapshot } from '../../src/source.ts';
import golden from '../../../../crates/pcmflow-engine/src/metrics/tests/snapshot.json';

const pipeline = (golden as unknown as Snapshot).pipelines.live;
if (!pipeline) throw new Error('the golden snapshot has a pipeline `live`');

/** The books of two listeners. */
function books(more: Partial<Snapshot['ledger']> = {}): Pick<Snapshot, 'ledger' | 'pipelines'> {
  const ledger = {
    frames_in: 8_020_000,
    delivered: 8_015_000,
    dropped: { overflow: 128, deadline: 0, corrupt: 0, dead_module: 64, device: 0, removed: 0, shed: 0 },
    in_flight: 4_808,
    unaccounted: 0,
    settled_position: 83_456 * 48,
    settled_unaccounted: 0,
    ...more,
  };
  const one = { ...pipeline, ledger: { ...ledger, frames_in: ledger.frames_in / 2 } } as Snapshot['pipelines'][string];
  return { ledger, pipelines: { pitch: one, level: one } };
}

describe('the line of the ledger', () => {
  it('says how far the books are settled, in time', () => {
    const line = ledgerLine(books(), 48_000);
    expect(line.text).toBe('settled to 01:23.456, 0 frames unaccounted');
    expect(line.balanced).toBe(true);
    expect(line.figures.replaceAll('\u202f', ' ')).toBe(
      '8 020 000 frames in for 2 listeners, 8 015 000 delivered, 192 given up (overflow 128, dead module 64), 4 808 on their way',
    );
  });

  it('counts frames where no rate is known', () => {
    expect(ledgerLine(books({ settled_position: 1_024 }), null).text).toBe(
      'settled to frame 1\u202f024, 0 frames unaccounted',
    );
  });

  it('says that nothing is settled yet', () => {
    expect(ledgerLine(books({ settled_position: null }), 48_000).text).toBe('nothing settled yet');
  });

  it('hides no missing frame', () => {
    const line = ledgerLine(books({ settled_unaccounted: 1 }), 48_000);
    expect(line.text).toBe('settled to 01:23.456, 1 frame unaccounted');
    expect(line.balanced).toBe(false);
  });

  it('counts all when the input has ended, once and not for each listener', () => {
    const over = books({ frames_in: 96_000, unaccounted: 7, in_flight: 0 });
    expect(ledgerLine(over, 48_000, true)).toMatchObject({
      text: 'settled to 00:01.000, 7 frames unaccounted',
      balanced: false,
    });
  });
});
