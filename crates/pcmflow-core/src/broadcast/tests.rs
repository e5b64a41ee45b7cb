use super::*;
use core::fmt::Debug;
use proptest::prelude::*;
use std::thread;
use std::vec;
use std::vec::Vec;

#[test]
fn finished_is_closed_and_read_or_told_as_lost() {
    let (mut writer, mut reader) = BroadcastRing::<u32>::with_capacity(4).unwrap().split();
    assert!(!reader.is_finished(), "more may come");
    writer.write(&[1, 2, 3, 4, 5, 6]);
    drop(writer);
    assert!(reader.is_closed() && !reader.is_finished());
    let read = reader.read(&mut [0; 2]);
    assert_eq!((read.lost, read.count), (2, 2));
    assert!(!reader.is_finished());
    assert_eq!(reader.read(&mut [0; 4]).count, 2);
    assert!(reader.is_finished());
}

#[test]
fn capacities_are_powers_of_two_and_whole_words_and_frames() {
    let of = |frames, channels| BroadcastRing::<f32>::with_frames(frames, channels).unwrap().capacity();
    assert_eq!([of(1, 1), of(3, 1), of(4, 2), of(3, 3), of(5, 7)], [2, 4, 8, 15, 63]);
    assert_eq!(BroadcastRing::<f64>::with_capacity(1).unwrap().capacity(), 1);
    assert_eq!(BroadcastRing::<u8>::with_capacity(1).unwrap().capacity(), 8);
    for (frames, channels) in [(0, 1), (1, 0)] {
        assert_eq!(BroadcastRing::<f32>::with_frames(frames, channels).unwrap_err(), RingError::Empty);
    }
    for items in [usize::MAX, usize::MAX / 2 + 1, 1 << 60] {
        let refused = BroadcastRing::<f64>::with_capacity(items).unwrap_err();
        assert!(!matches!(refused, RingError::Empty), "{refused}");
    }
}

#[test]
fn readers_come_and_go() {
    let ring = BroadcastRing::<u16>::with_capacity(4).unwrap();
    let gauge = ring.gauge();
    let (mut writer, mut first) = ring.split();
    writer.write(&[1, 2, 3, 4, 5]);
    let (mut newest, mut oldest) = (first.subscribe(), first.subscribe_from_oldest());
    assert_eq!((newest.position(), oldest.position(), gauge.readers()), (5, 1, 3));
    assert_eq!((newest.available(), oldest.available(), first.available(), first.lag()), (0, 4, 4, 5));
    writer.write(&[6]);
    let mut out = [0; 8];
    assert_eq!(newest.read(&mut out), Read { position: 5, count: 1, lost: 0 });
    assert_eq!(oldest.read(&mut out), Read { position: 2, count: 4, lost: 1 });
    assert_eq!(out[..4], [3, 4, 5, 6]);
    assert_eq!(first.skip_to_newest(), 6);
    assert_eq!(first.read(&mut out), Read { position: 6, count: 0, lost: 0 });
    drop((first, newest, oldest));
    assert!(writer.is_closed());
    let mut late = writer.subscribe();
    assert!(!writer.is_closed());
    writer.write(&[7]);
    drop(writer);
    assert!(late.is_closed());
    assert_eq!((late.read(&mut out).count, out[0]), (1, 7));
}

#[test]
fn a_write_longer_than_the_ring_leaves_its_end() {
    let (mut writer, mut reader) = BroadcastRing::with_capacity(4).unwrap().split();
    assert_eq!(writer.write(&[0u32, 1, 2, 3, 4, 5, 6, 7, 8, 9]), 10);
    let mut out = [0; 8];
    assert_eq!(reader.read(&mut out), Read { position: 6, count: 4, lost: 6 });
    assert_eq!(out[..4], [6, 7, 8, 9]);
}

/// A ring beside a plain list of everything that was ever written.
fn like_the_model<T: Plain + Debug + PartialEq>(
    frames: usize,
    channels: usize,
    steps: Vec<(bool, usize)>,
    item: impl Fn(u64) -> T,
) {
    let (mut writer, mut reader) = BroadcastRing::<T>::with_frames(frames, channels).unwrap().split();
    let capacity = writer.capacity();
    assert!(capacity >= frames * channels && capacity.is_multiple_of(channels));
    let (mut all, mut at) = (Vec::new(), 0);
    for (write, n) in steps {
        if write {
            let items: Vec<T> = (0..n).map(|i| item((all.len() + i) as u64)).collect();
            let whole = n - n % channels;
            assert_eq!(writer.write(&items), whole);
            all.extend_from_slice(&items[..whole]);
        } else {
            let first = at.max(all.len().saturating_sub(capacity));
            let count = (all.len() - first).min(n - n % channels);
            let mut out = vec![item(u64::MAX); n];
            assert_eq!(reader.available(), all.len() - first);
            let read = reader.read(&mut out);
            assert_eq!(read, Read { position: first as u64, count, lost: (first - at) as u64 });
            assert_eq!(read.lost_from(), at as u64);
            assert_eq!(out[..count], all[first..first + count]);
            at = first + count;
        }
        assert_eq!((writer.position(), reader.position()), (all.len() as u64, at as u64));
    }
}

proptest! {
    #[test]
    fn any_use_is_like_the_model(
        frames in 1usize..20,
        channels in 1usize..4,
        steps in proptest::collection::vec((any::<bool>(), 0usize..50), 1..60),
    ) {
        like_the_model::<f32>(frames, channels, steps.clone(), |n| n as f32);
        like_the_model::<u8>(frames, channels, steps.clone(), |n| n as u8);
        like_the_model::<i16>(frames, channels, steps.clone(), |n| n as i16);
        like_the_model::<f64>(frames, channels, steps, |n| n as f64);
    }
}

/// Numbered items, a writer that never waits and readers of several speeds: each item arrives once, unharmed, or is
/// counted lost at its place.
#[test]
fn threads_read_each_number_once_or_count_it_lost() {
    const FRAMES: u64 = 1 << 20;
    for channels in [1usize, 2, 3] {
        let (mut writer, reader) = BroadcastRing::<u32>::with_frames(256, channels).unwrap().split();
        let end = FRAMES * channels as u64;
        let readers: Vec<_> = (0..3u32)
            .map(|speed| {
                let mut reader = reader.subscribe();
                thread::spawn(move || {
                    let mut out = vec![0; [700, 96, 9][speed as usize]];
                    let (mut got, mut lost, mut position) = (0, 0, 0);
                    loop {
                        let closed = reader.is_closed();
                        let read = reader.read(&mut out);
                        assert_eq!(read.lost_from(), position);
                        assert!(read.position.is_multiple_of(channels as u64));
                        for (n, item) in out[..read.count].iter().enumerate() {
                            assert_eq!(
                                u64::from(*item),
                                read.position + n as u64,
                                "stale, torn or out of order"
                            );
                        }
                        position = read.end();
                        got += read.count as u64;
                        lost += read.lost;
                        if read.count == 0 && read.lost == 0 {
                            if closed {
                                return (got, lost);
                            }
                            thread::yield_now();
                        }
                        if speed == 1 && position.is_multiple_of(64) {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        drop(reader);
        let mut block = vec![0; 131 * channels];
        let mut written = 0;
        while written < end {
            let count = (block.len() as u64).min(end - written);
            for (n, item) in block.iter_mut().enumerate() {
                *item = (written + n as u64) as u32;
            }
            writer.write(&block[..count as usize]);
            written += count;
        }
        drop(writer);
        for reader in readers {
            let (got, lost) = reader.join().unwrap();
            assert_eq!(got + lost, end);
            assert!(got > 0);
        }
    }
}
