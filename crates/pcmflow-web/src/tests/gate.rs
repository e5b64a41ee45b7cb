//! The gate alone.

use crate::gate::Gate;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn one_is_inside_at_a_time_and_what_is_inside_is_taken_once() {
    let gate = Gate::new(5);
    assert!(gate.take().is_none(), "it is open");
    let inside = gate.enter().unwrap();
    assert!(gate.enter().is_none());
    gate.shut();
    assert!(gate.take().is_none(), "somebody is inside");
    assert_eq!(inside.with(|value| std::mem::replace(value, 6)), Some(5));
    assert!(gate.enter().is_none(), "it is shut");
    assert_eq!((gate.take(), gate.take()), (Some(6), None));
    assert!(gate.enter().is_none());
}

#[test]
fn threads_never_meet_inside() {
    let (gate, inside) = (Gate::new(0u64), AtomicU32::new(0));
    let entered = std::thread::scope(|scope| {
        let work = || {
            let mut entered = 0;
            for _ in 0..20_000 {
                if let Some(room) = gate.enter() {
                    room.with(|count| {
                        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                        *count += 1;
                        inside.fetch_sub(1, Ordering::Relaxed);
                    });
                    entered += 1;
                }
            }
            entered
        };
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.map(|thread| thread.join().unwrap()).iter().sum::<u64>()
    });
    gate.shut();
    assert_eq!(gate.take(), Some(entered));
}
