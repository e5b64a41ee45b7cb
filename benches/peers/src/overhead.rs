//! Overhead: bytes of a pool that can't hold samples, of all it manages, class by class.
//!
//! Twice: from the pool's own metrics, and from what the allocator was asked for while the pool was made. (Malloc's own
//! headers are in neither.)

use crate::allocator;
use crate::experiment::Size;
use crate::floors::OVERHEAD_PERCENT;
use crate::harness::Cores;
use pcmflow_core::pool::{BufferRecyclingPool, ClassConfig, PoolConfig};
use std::fmt::Write as _;

/// Buffers of a small pool and of a large one.
const BUFFERS: [usize; 2] = [64, 1024];

/// One row for each class and number of buffers, and the classes that miss the floor.
pub(crate) fn report(_: Size, _: Cores) -> String {
    let mut text =
        "### Overhead of a pool: bytes that can't hold samples ÷ bytes managed, in %\n\n".to_owned();
    text += "| class and buffers | bytes managed | of the allocator | metrics: ÷ managed | allocator: ÷ managed |\n";
    text += "| --- | --: | --: | --: | --: |\n";
    let mut missed = Vec::new();
    let (mut worst, mut apart) = (0f64, 0);
    for samples in [256, 512, 1024, 2048, 4096] {
        for buffers in BUFFERS {
            let class = ClassConfig { samples, buffers_max: buffers, buffers_prewarm: buffers };
            let config = PoolConfig { classes: vec![class], ..PoolConfig::default() };
            let (pool, counts) = allocator::counting(|| BufferRecyclingPool::new(config).expect("memory"));
            let metrics = pool.metrics();
            let payload: usize = metrics.classes.iter().map(|class| class.payload_bytes).sum();
            assert_eq!(payload, samples * buffers * size_of::<f32>(), "as many buffers as were asked for");
            let percent = |bytes: f64| 100.0 * (bytes - payload as f64) / bytes;
            let (own, allocated) = (percent(metrics.held_bytes as f64), percent(counts.bytes as f64));
            let name = format!("{samples} samples, {buffers} buffers");
            let _ = writeln!(
                text,
                "| **{name}** | {} | {} | {own:.2} | {allocated:.2} |",
                metrics.held_bytes, counts.bytes
            );
            worst = worst.max(own).max(allocated);
            apart = apart.max(counts.bytes.abs_diff(metrics.held_bytes as i64));
            if own.max(allocated) >= OVERHEAD_PERCENT {
                missed.push(name);
            }
        }
    }
    let word = if missed.is_empty() { "met".into() } else { format!("missed by {}", missed.join("; ")) };
    let _ = writeln!(
        text,
        "\n- floor {word}: at worst {worst:.2} %; the floor is below {OVERHEAD_PERCENT:.2} %\n"
    );
    text
}
