//! The way from `Mutex<VecDeque<f32>>`, the first thing one writes between an audio callback and its reader, to a stream.
//!
//!     cargo run -p pcmflow --example from_mutex_vecdeque
//!
//! The scene is the same for both: a callback brings 128 frames at a time, the reader sleeps through ten of them, and there
//! is room for four. Frame n holds the sample n, so that everybody can see what is missing.
//!
//! Both keep the newest frames: the queue throws out its oldest, and the stream evicts them (`Overflow::EvictOldest`). Where the
//! past is worth more than the present, as in a recording, take `Overflow::DropNewest`: one word.

use pcmflow::core::format::{Frames, StreamFormat};
use pcmflow::core::stream::{Next, Overflow, StreamConfig, StreamReader, StreamWriter, stream};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

const QUANTUM: usize = 128;
const ROOM: usize = 4 * QUANTUM;
const CALLBACKS: usize = 10;

fn quantum(number: usize) -> [f32; QUANTUM] {
    std::array::from_fn(|frame| (number * QUANTUM + frame) as f32)
}

/// Before. The callback waits for a lock that the reader may hold while the system runs something else, pushing may
/// allocate, and what doesn't fit goes without a word.
fn before() -> Vec<f32> {
    let queue = Mutex::new(VecDeque::new());
    for number in 0..CALLBACKS {
        // The callback.
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        for sample in quantum(number) {
            if queue.len() == ROOM {
                queue.pop_front();
            }
            queue.push_back(sample);
        }
    }
    // The reader, late.
    queue.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
}

/// After. The callback holds a `StreamWriter`: no lock, no allocation, no system call.
fn callback(writer: &mut StreamWriter, number: usize, now_ns: u64) {
    // There is always room. What it overwrites is counted, and the reader will meet the gap in its place.
    let written = writer.write(&quantum(number), now_ns);
    assert_eq!(written.accepted, Frames(QUANTUM as u64));
}

/// The reader learns of frames and gaps in the stream's order. Returns samples, and frames that are missing.
fn read(reader: &mut StreamReader) -> (Vec<f32>, Frames) {
    let (mut samples, mut missing) = (Vec::new(), Frames::ZERO);
    loop {
        match reader.next(Frames(QUANTUM as u64)) {
            Next::Frames { position, frames } => {
                let mut block = [0.0; QUANTUM];
                let read = reader.read(&mut block[..frames.0 as usize]);
                // Each frame is where the stream says it is.
                assert_eq!(block[0], position.0 as f32);
                samples.extend_from_slice(&block[..read.0 as usize]);
            }
            Next::Gap(gap) => {
                println!("after:  {} frames are missing from {} on: {}", gap.frames, gap.position, gap.cause);
                missing += gap.frames;
            }
            Next::Pending | Next::End => return (samples, missing),
            // Cut marks, for who wants to check the books while frames move.
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let got = before();
    println!("before: {} samples from {}; were there others? nobody knows", got.len(), got[0]);
    assert_eq!((got.len(), got[0]), (ROOM, 768.0), "768 frames went, silently");

    let (mut writer, mut reader, gauge) = stream(StreamConfig {
        format: StreamFormat::new(48_000, 1)?,
        capacity: Frames(ROOM as u64),
        quantum: Frames(QUANTUM as u64),
        overflow: Overflow::EvictOldest,
    })?;
    for number in 0..CALLBACKS {
        callback(&mut writer, number, number as u64 * 2_666_667);
    }
    // The device is closed: what it wrote before is still read.
    drop(writer);
    let (samples, missing) = read(&mut reader);
    println!("after:  {} samples from {}", samples.len(), samples[0]);
    assert_eq!((samples.len(), samples[0], missing), (ROOM, 768.0, Frames(768)));
    assert_eq!(samples, got, "the same frames survive; now it is known which did not");
    assert_eq!(samples.len() + missing.0 as usize, CALLBACKS * QUANTUM, "every frame is accounted for");
    assert_eq!(gauge.snapshot().imbalance(), Frames::ZERO);
    Ok(())
}
