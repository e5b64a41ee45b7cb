//! The bare pipe between two threads, in twenty lines.
//!
//!     cargo run -p pcmflow --example spsc_pipe

use pcmflow::core::ring::CircularBuffer;
use std::thread;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut producer, mut consumer) = CircularBuffer::with_capacity(1024)?.split();
    let mut received = 0_u32;
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in (0..100_000_u32).step_by(100) {
                let block: [u32; 100] = std::array::from_fn(|i| number + i as u32);
                let mut sent = 0;
                while sent < block.len() {
                    // Never waits: takes what fits, and says how much. An audio callback would not try again, but
                    // count the rest as lost; this thread has time.
                    sent += producer.push_slice(&block[sent..]);
                    thread::yield_now();
                }
            }
        }); // The producer is dropped here: the consumer sees that the pipe is closed.
        let mut block = [0; 256];
        loop {
            // In this order: what was sent before the end is in the pipe once we see the end.
            let closed = consumer.is_closed();
            let count = consumer.pop_slice(&mut block);
            for number in &block[..count] {
                assert_eq!(*number, received, "in order, each once");
                received += 1;
            }
            if count == 0 && closed {
                break;
            }
            thread::yield_now();
        }
    });
    assert_eq!(received, 100_000);
    println!("{received} numbers went through a pipe of {}, in order", consumer.capacity());
    Ok(())
}
