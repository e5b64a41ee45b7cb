//! The bare pipe between two threads, in twenty lines.
//!
//!     cargo run -p pcmflow --example spsc_pipe

use pcmflow::core::ring::CircularBuffer;
use std::thread;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut producer, mut consumer) = CircularBuffer::with_capacity(1024)?.split();
    thread::spawn(move || {
        let mut numbers = 0..100_000_u32;
        while !numbers.is_empty() {
            // Never waits: takes what fits, and leaves the rest. An audio callback would count that as lost; we have time.
            if producer.push_iter(&mut numbers) == 0 {
                thread::yield_now();
            }
        }
    }); // The producer is dropped here: what it sent is still read, and then the pipe is finished.
    let mut received = 0;
    while !consumer.is_finished() {
        for number in consumer.pop_iter(256) {
            assert_eq!(number, received, "in order, each once");
            received += 1;
        }
        thread::yield_now();
    }
    assert_eq!(received, 100_000);
    println!("{received} numbers went through a pipe of {}, in order", consumer.capacity());
    Ok(())
}
