//! Every function of this crate that claims to be RT-safe, called under the guard: see `guard/mod.rs` for what it sees.
//!
//! To add one: a line `rt("Type::function", || …);` in the file of its module, in every state that takes another branch
//! (empty, full, wrapped, closed). `cargo xtask contracts` names those that are missing.
#![cfg_attr(pcmflow_rtsan, feature(sanitize))]
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../guard/mod.rs"]
mod guard;

mod block;
mod broadcast;
mod chunk;
mod format;
mod health;
mod ledger;
mod pool;
mod ring;
mod stream;
mod trips;

#[test]
fn what_claims_to_be_rt_safe_allocates_nothing_and_waits_for_nobody() {
    for entries in [
        ring::entries,
        broadcast::entries,
        stream::entries,
        pool::entries,
        chunk::entries,
        format::entries,
        ledger::entries,
        block::entries,
        health::entries,
    ] {
        entries();
    }
    guard::report("pcmflow-core");
}
