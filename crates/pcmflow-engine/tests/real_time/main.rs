//! Every function of this crate that claims to be RT-safe, called under the guard of `pcmflow-core/tests/guard/mod.rs`, which
//! says what it sees; and what is not claimed of single functions, but of loops in their steady state.
//!
//! To add one: a line `rt("Type::function", || …);` in the file of its module, in every state that takes another branch.
//! `cargo xtask contracts` names those that are missing.
#![cfg_attr(pcmflow_rtsan, feature(sanitize))]
#![cfg(not(pcmflow_loom))]
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../pcmflow-core/tests/guard/mod.rs"]
mod guard;

mod event;
mod flow;
mod metrics;
mod pressure;
mod task;
mod transform;
mod trips;

#[test]
fn what_claims_to_be_rt_safe_allocates_nothing_and_waits_for_nobody() {
    for entries in [
        event::entries,
        flow::entries,
        metrics::entries,
        pressure::entries,
        task::entries,
        transform::entries,
    ] {
        entries();
    }
    guard::report("pcmflow-engine");
}
