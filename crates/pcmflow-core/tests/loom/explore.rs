//! How a model is explored, here and in the engine's models.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Runs `model` in every execution with at most `preemptions` involuntary switches, and prints how many there were.
pub(crate) fn explore(
    name: &str,
    preemptions: impl Into<Option<usize>>,
    model: impl Fn() + Sync + Send + 'static,
) {
    // One model at a time: the list of dropped pools is the process's, and an execution must not meet another's atomics.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    // Not loom's: counted across executions.
    let executions = Arc::new(AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.into();
    builder.max_branches = 100_000;
    let counted = executions.clone();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let bound = builder
        .preemption_bound
        .map_or("no bound on preemptions".into(), |n| format!("at most {n} preemptions"));
    println!("loom: {name}: {} executions, {bound}", executions.load(Ordering::Relaxed));
}
