//! The guard trips here, too; what RealtimeSanitizer is to see, `pcmflow-core/tests/real_time/trips.rs` shows.

#[test]
#[cfg(not(pcmflow_rtsan))]
fn the_counting_allocator_trips() {
    use crate::guard::{calls, rt as forbidden};
    use std::hint::black_box;
    use std::panic::catch_unwind;
    assert_eq!(calls(|| drop(black_box(Box::new(1)))), 2);
    assert!(catch_unwind(|| forbidden("Box::new", || black_box(Box::new(1)))).is_err(), "an allocation");
    let held = black_box(Box::new(1));
    assert!(catch_unwind(|| forbidden("Box::drop", || drop(held))).is_err(), "a free");
    assert!(catch_unwind(|| forbidden("nothing", || ())).is_ok());
}
