//! The set of what was woken: words, their summary, and what was written before.

use super::explore;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;
use pcmflow_engine::task::ready::ReadySet;
use std::sync::atomic::Ordering;

/// A number that this thread adds.
const OWN: usize = 63;

/// Each thread adds one number, while this one takes: everything is taken, at least once each, and no more than was added.
fn adders<const N: usize>(indices: [usize; N], drains: usize) {
    let set = Arc::new(ReadySet::new(128));
    let threads = indices.map(|index| {
        let set = set.clone();
        thread::spawn(move || set.add(index))
    });
    let mut taken = Vec::new();
    // One of our own, in the first word: to loom, who only looks explores next to nothing.
    set.add(OWN);
    for _ in 0..drains {
        set.drain(|index| taken.push(index));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    set.drain(|index| taken.push(index));
    taken.retain(|&index| index != OWN);
    for index in indices {
        let times = |of: &[usize]| of.iter().filter(|&&other| other == index).count();
        assert!((1..=times(&indices)).contains(&times(&taken)), "{index} was taken {} times", times(&taken));
    }
    assert!(set.is_empty() && taken.len() <= N);
}

#[test]
fn two_adders_of_one_word_and_who_takes() {
    explore("ready set, two numbers of one word, taken meanwhile", 3, || adders([0, 1], 1));
}

#[test]
fn two_adders_of_one_number_and_who_takes() {
    explore("ready set, one number added twice, taken meanwhile", 3, || adders([5, 5], 1));
}

#[test]
fn two_adders_of_two_words_and_who_takes_twice() {
    explore("ready set, numbers of two words, taken twice meanwhile", 2, || adders([0, 64], 2));
}

#[test]
fn what_was_written_before_is_seen() {
    explore("ready set, what adders wrote", 3, || {
        let set = Arc::new(ReadySet::new(64));
        // Relaxed: what the set carries is all there is.
        let written = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let threads = [0, 1].map(|index| {
            let (set, written) = (set.clone(), written.clone());
            thread::spawn(move || {
                written[index].store(7, Ordering::Relaxed);
                set.add(index);
            })
        });
        set.add(OWN);
        set.drain(|index| assert!(index == OWN || written[index].load(Ordering::Relaxed) == 7, "{index}"));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
