//! One pool, many threads: buffers are taken on one thread, shared with two others, and come back by themselves.
//!
//!     cargo run -p pcmflow --example shared_pool

use pcmflow::core::pool::{BufferRecyclingPool, ClassConfig, Miss, PoolConfig};
use std::sync::mpsc::sync_channel;
use std::thread;

const BLOCKS: usize = 10_000;
const SAMPLES: usize = 256;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Three buffers, made and touched now: nothing is allocated from here on.
    let pool = BufferRecyclingPool::new(PoolConfig {
        classes: vec![ClassConfig { samples: SAMPLES, buffers_max: 3, buffers_prewarm: 3 }],
        ..PoolConfig::default()
    })?;
    let held_bytes = pool.metrics().held_bytes;

    let (mut sent, mut refused) = (0, 0);
    let sums = thread::scope(|scope| -> Vec<f64> {
        let (mut inputs, mut readers) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let (input, output) = sync_channel::<pcmflow::core::pool::BufferRef>(2);
            inputs.push(input);
            readers.push(scope.spawn(move || {
                // Each handle is dropped here; the last of a buffer's two gives it back, on whichever thread that is.
                output.iter().map(|buffer| f64::from(buffer[0]) + f64::from(buffer[SAMPLES - 1])).sum::<f64>()
            }));
        }
        while sent < BLOCKS {
            // A bounded pool says no instead of allocating. An audio thread would drop this block; we try again.
            let Ok(mut buffer) = pool.acquire(SAMPLES, Miss::Fail) else {
                refused += 1;
                thread::yield_now();
                continue;
            };
            assert_eq!(buffer.resize(SAMPLES, sent as f32), SAMPLES);
            // From now on it is read-only, and a clone is a reference: no sample is copied.
            let shared = buffer.into_shared();
            for input in &inputs {
                // A reader that panicked is gone; `join` below tells.
                let _ = input.send(shared.clone());
            }
            sent += 1;
        }
        drop(inputs);
        readers.into_iter().map(|reader| reader.join().unwrap_or(f64::NAN)).collect()
    });

    // Both readers saw every buffer, each as it was written.
    let expected = (0..BLOCKS).map(|block| 2.0 * block as f64).sum::<f64>();
    assert_eq!(sums, [expected, expected]);
    let metrics = pool.metrics();
    assert_eq!((metrics.states().in_use, metrics.releases()), (0, BLOCKS as u64), "every buffer is back");
    assert_eq!(metrics.held_bytes, held_bytes, "and none was added");
    println!("{sent} blocks in 3 buffers of {SAMPLES} samples; the pool said no {refused} times");
    Ok(())
}
