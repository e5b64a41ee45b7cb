//! Counters on the hot side, one sampler, windows, alerts, and the snapshot.
