//! The broadcast ring: one writer that waits for nobody, readers that come and go and must be told exactly what they missed.

use crate::numbers::{Random, check, fill};
use crate::tally::{Tally, wait};
use pcmflow_core::broadcast::{BroadcastReader, BroadcastRing, BroadcastWriter};
use std::thread;

pub(crate) fn episode(random: &mut Random, tally: &Tally) {
    let channels = random.size(3);
    let ring = BroadcastRing::with_frames(random.size(700), channels).unwrap();
    let gauge = ring.gauge();
    let (writer, reader) = ring.split();
    let (turns, mut for_writer) = (random.below(50_000), random.fork());
    let (written, ends) = thread::scope(|scope| {
        let readers: Vec<_> = (0..1 + random.below(3))
            .map(|number| {
                let (mut random, reader) =
                    (random.fork(), if number == 0 { reader.subscribe() } else { writer.subscribe() });
                scope.spawn(move || follow(reader, channels, &mut random, tally))
            })
            .collect();
        drop(reader);
        let written = write(writer, channels, &mut for_writer, turns, tally);
        (written, readers.into_iter().map(|reader| reader.join().unwrap()).collect::<Vec<_>>())
    });
    assert!(ends.iter().all(|end| *end == written), "{written} items were written, readers end at {ends:?}");
    assert_eq!((gauge.readers(), gauge.written(), gauge.is_closed()), (0, written, true));
}

fn write(
    mut writer: BroadcastWriter<f32>,
    channels: usize,
    random: &mut Random,
    turns: u64,
    tally: &Tally,
) -> u64 {
    let mut counter = tally.counter();
    // Some writes are longer than the ring.
    let mut items = vec![0.0; 128 * channels];
    let mut next = 0;
    for turn in 0..turns {
        if turn % 1024 == 0 && !tally.goes_on() {
            break;
        }
        let items = &mut items[..random.size(128) * channels];
        fill(items, next);
        next += writer.write(items) as u64;
        assert_eq!(writer.position(), next);
        counter.did(1);
        if random.one_in(16) {
            // Readers that never get a turn would only ever see losses.
            wait();
        }
    }
    next
}

/// Reads until the writer is gone; returns where it ends.
fn follow(mut reader: BroadcastReader<f32>, channels: usize, random: &mut Random, tally: &Tally) -> u64 {
    let mut counter = tally.counter();
    let mut out = vec![0.0; 256 * channels];
    loop {
        let closed = reader.is_closed();
        let before = reader.position();
        let read = reader.read(&mut out[..random.size(256) * channels]);
        assert_eq!(read.lost_from(), before, "what was read and what was lost tile the stream");
        assert!(
            read.count.is_multiple_of(channels) && read.lost.is_multiple_of(channels as u64),
            "{read:?} in whole frames"
        );
        check(&out[..read.count], read.position);
        assert_eq!(reader.position(), read.end());
        counter.did(u64::from(read.count > 0));
        if random.one_in(1024) {
            // Another one meets what is still there, whether this one has read it or not.
            let mut other = reader.subscribe_from_oldest();
            let read = other.read(&mut out);
            check(&out[..read.count], read.position);
        }
        if random.one_in(1024) {
            reader.skip_to_newest();
        }
        if read.count == 0 && read.lost == 0 {
            if closed {
                return reader.position();
            }
            wait();
        }
    }
}
