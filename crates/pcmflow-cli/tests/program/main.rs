//! The program as others meet it: arguments, bytes and signals in, bytes, messages and exit codes out.
//!
//! Every run has a hard time limit, so that a hang is a failure and not a wait, and no run may panic. Runs go side by
//! side; nothing here measures time but `latency`, which asserts its limits only where `PCMFLOW_TIMED` is set.

// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod awkward_flows;
mod bad_input;
mod causality;
mod commands;
mod ends;
mod flow_files;
mod joined_flows;
mod latency;
mod ledger;
mod pools;
mod run_flows;
mod scheduling;
mod stamps;
mod support;
