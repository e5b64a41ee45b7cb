//! The broadcast ring: one writer, readers that it overtakes.

use super::explore;
use loom::thread;
use pcmflow_core::broadcast::{BroadcastReader, BroadcastRing};

/// Reads into `N` items, and checks that what was read is numbered from where it is said to stand, and that nothing is missing
/// but what is said to be lost.
fn read_numbers<const N: usize>(reader: &mut BroadcastReader<u64>) -> u64 {
    let (before, mut out) = (reader.position(), [u64::MAX; N]);
    let read = reader.read(&mut out);
    assert_eq!(read.lost_from(), before);
    for (n, item) in out[..read.count].iter().enumerate() {
        assert_eq!(*item, read.position + n as u64, "stale, or overwritten while it was read");
    }
    read.lost
}

#[test]
fn a_reader_that_is_overtaken_loses_exactly_what_it_says() {
    explore("broadcast, three writes over two words, one reader", None, || {
        let (mut writer, mut reader) = BroadcastRing::<u64>::with_capacity(2).unwrap().split();
        let thread = thread::spawn(move || {
            for item in 0..3 {
                writer.write(&[item]);
            }
        });
        read_numbers::<2>(&mut reader);
        read_numbers::<2>(&mut reader);
        thread.join().unwrap();
        read_numbers::<2>(&mut reader);
        assert_eq!((reader.position(), reader.lag()), (3, 0), "everything was read or lost");
    });
}

#[test]
fn two_readers_do_not_know_of_each_other() {
    explore("broadcast, two writes of two over two words, two readers", 3, || {
        let (mut writer, mut reader) = BroadcastRing::<u64>::with_capacity(2).unwrap().split();
        let mut other = reader.subscribe();
        let writing = thread::spawn(move || {
            writer.write(&[0, 1]);
            writer.write(&[2, 3]);
        });
        let reading = thread::spawn(move || {
            read_numbers::<2>(&mut other);
            other
        });
        read_numbers::<1>(&mut reader);
        writing.join().unwrap();
        let mut other = reading.join().unwrap();
        for reader in [&mut reader, &mut other] {
            read_numbers::<2>(reader);
            assert_eq!(reader.lag(), 0);
        }
    });
}

#[test]
fn halves_of_a_word_keep_apart() {
    explore("broadcast, single items through one word of two", None, || {
        let (mut writer, mut reader) = BroadcastRing::<u32>::with_capacity(2).unwrap().split();
        let thread = thread::spawn(move || {
            for item in 10..13 {
                writer.write(&[item]);
            }
        });
        let mut next = 0;
        let mut read = |reader: &mut BroadcastReader<u32>| {
            let mut out = [0; 2];
            let read = reader.read(&mut out);
            assert_eq!(read.lost_from(), next);
            for (n, item) in out[..read.count].iter().enumerate() {
                assert_eq!(u64::from(*item), 10 + read.position + n as u64);
            }
            next = read.end();
        };
        read(&mut reader);
        thread.join().unwrap();
        read(&mut reader);
        assert_eq!(next, 3);
    });
}

#[test]
fn closed_and_empty_is_final() {
    explore("broadcast, the writer goes", None, || {
        let (mut writer, reader) = BroadcastRing::<u64>::with_capacity(2).unwrap().split();
        let thread = thread::spawn(move || {
            writer.write(&[7]);
        });
        if reader.is_closed() {
            assert_eq!(reader.available(), 1, "closed was seen before the last item");
        }
        thread.join().unwrap();
    });
}
