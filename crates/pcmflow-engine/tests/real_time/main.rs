//! Every function of this crate that claims to be RT-safe, called under the guard: see `pcmflow-core/tests/guard/mod.rs` for
//! what it sees.
#![cfg_attr(pcmflow_rtsan, feature(sanitize))]
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../pcmflow-core/tests/guard/mod.rs"]
mod guard;

mod event;

#[test]
fn what_claims_to_be_rt_safe_allocates_nothing_and_waits_for_nobody() {
    event::entries();
    guard::report("pcmflow-engine");
}
