//! X4: one handle to the other thread and back, both spinning; each round trip is timed.

use crate::experiment::{Contender, Experiment, Figures, Kind, ROUND};
use crate::harness::{Cores, pin, run_two};
use crate::limits::Word;
use crate::queues::{HANDLES, Queue, handle_queues, pop_spinning, push_spinning, verify};
use crate::tail::{Stopwatch, Tail};
use std::hint::black_box;

/// The experiment with its contenders.
pub(crate) fn experiment() -> Experiment {
    fn contender<Q: Queue<u64>>(name: &'static str, kind: Kind) -> Contender {
        Contender { name, kind, verify: verify::<Q>, round: round::<Q> }
    }
    Experiment {
        name: "X4",
        title: "round trip of one handle between two threads: ns, each timed",
        figures: Figures::Tail,
        round: ROUND,
        contenders: handle_queues!(contender; // One word holds one number: that it carries each is looked at in the round.
            Contender { verify: |_| (), ..contender::<Word>("limit: bare atomics", Kind::Limit) },
            empty_timing()),
    }
}

/// Two time stamps with nothing between them.
pub(crate) fn empty_timing() -> Contender {
    let round = |operations, cores: Cores| {
        pin(cores.0);
        let mut tail = Tail::with_capacity(operations);
        (0..operations).for_each(|number| tail.time(|| _ = black_box(number)));
        tail.figures()
    };
    Contender { name: "empty timing", kind: Kind::Timing, verify: |_| (), round }
}

fn round<Q: Queue<u64>>(trips: u64, cores: Cores) -> Vec<f64> {
    let ((mut out, mut received), (mut back, mut returned)) = (Q::split(HANDLES), Q::split(HANDLES));
    let mut tail = Tail::with_capacity(trips);
    let here = || {
        for number in 0..trips {
            let handle = tail.time(|| {
                push_spinning::<u64, Q>(&mut out, number);
                pop_spinning::<u64, Q>(&mut returned)
            });
            assert!(handle == number, "handle {number} was lost, doubled or moved");
        }
    };
    let there = move || {
        for _ in 0..trips {
            let handle = pop_spinning::<u64, Q>(&mut received);
            push_spinning::<u64, Q>(&mut back, handle);
        }
    };
    run_two(cores, here, there);
    tail.figures()
}
