//! X3b: handles of 8 bytes out to the other thread and back by a second queue, as recycled buffers travel.
//!
//! 63 handles are underway, which is what the smallest queue holds. They come back in the order in which they went out.

use crate::experiment::{Contender, Experiment, Figures, Kind, ROUND};
use crate::harness::{Cores, time_two};
use crate::limits::Halves;
use crate::queues::{HANDLES, Queue, handle_queues, pop_spinning, push_spinning, verify};

/// Handles underway. Also what the limit needs to go on: less could all wait in halves that are not yet full.
const UNDERWAY: u64 = HANDLES as u64 - 1;

/// The experiment with its contenders.
pub(crate) fn experiment() -> Experiment {
    fn contender<Q: Queue<u64>>(name: &'static str, kind: Kind) -> Contender {
        Contender { name, kind, verify: verify::<Q>, round: round::<Q> }
    }
    Experiment {
        name: "X3b",
        title: "handles out and back by a return queue: ns a handle of 8 bytes, two threads",
        figures: Figures::Mean,
        round: ROUND,
        contenders: handle_queues!(contender; contender::<Halves>("limit: numbers handed over in halves", Kind::Limit)),
    }
}

fn round<Q: Queue<u64>>(handles: u64, cores: Cores) -> Vec<f64> {
    let ((mut out, mut received), (mut back, mut returned)) = (Q::split(HANDLES), Q::split(HANDLES));
    let here = move || {
        let mut take_back = |number| {
            let handle = pop_spinning::<u64, Q>(&mut returned);
            assert!(handle == number, "handle {number} was lost, doubled or moved");
        };
        for number in 0..handles {
            if number >= UNDERWAY {
                take_back(number - UNDERWAY);
            }
            push_spinning::<u64, Q>(&mut out, number);
        }
        (handles.saturating_sub(UNDERWAY)..handles).for_each(take_back);
    };
    let there = move || {
        for _ in 0..handles {
            let handle = pop_spinning::<u64, Q>(&mut received);
            push_spinning::<u64, Q>(&mut back, handle);
        }
    };
    vec![time_two(cores, handles, here, there)]
}
