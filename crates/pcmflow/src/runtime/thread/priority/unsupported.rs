//! Systems on which we know of nothing to ask for.

use super::{Granted, RealTime, Refusal, Scheduling};

#[derive(Debug)]
pub(super) enum Before {}

pub(super) fn raise(_: RealTime) -> (Granted, Option<Before>) {
    (Granted::Nothing { why: Refusal::Unsupported }, None)
}

pub(super) fn restore(before: &Before) {
    match *before {}
}

pub(super) fn scheduling() -> Scheduling {
    Scheduling::Unknown
}
