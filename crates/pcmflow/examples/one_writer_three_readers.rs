//! One writer and three readers, each at its own pace: the writer overwrites the oldest and never waits, and a reader that was too
//! slow learns exactly what it missed.
//!
//!     cargo run -p pcmflow --example one_writer_three_readers

use pcmflow::core::broadcast::{BroadcastReader, BroadcastRing};
use std::thread;
use std::time::Duration;

const QUANTUM: usize = 128;
/// One second at 48 kHz. Frame n holds the sample n, so that everybody can see what it got.
const FRAMES: usize = 375 * QUANTUM;
const ROOM: usize = 4096;

/// Reads until the writer is gone, with a pause after each read. Returns frames read, and frames lost.
fn follow(mut reader: BroadcastReader<f32>, pause: Duration) -> (usize, usize) {
    let (mut got, mut lost) = (0, 0);
    let mut block = [0.0; ROOM];
    while !reader.is_finished() {
        let read = reader.read(&mut block);
        for (frame, sample) in (read.position..).zip(&block[..read.count]) {
            assert_eq!(*sample, frame as f32, "each sample is where the reader is told");
        }
        got += read.count;
        lost += read.lost as usize;
        thread::sleep(pause);
    }
    (got, lost)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut writer, recorder) = BroadcastRing::<f32>::with_capacity(ROOM)?.split();
    // Each reader has a position of its own; these three begin with the first frame. The third will look only when all is over.
    let (meter, late) = (recorder.subscribe(), recorder.subscribe());

    let followed = thread::scope(|scope| {
        let followers = [
            ("recorder, every millisecond", recorder, Duration::from_millis(1)),
            ("meter, 20 times a second", meter, Duration::from_millis(50)),
        ]
        .map(|(name, reader, pause)| (name, scope.spawn(move || follow(reader, pause))));
        scope.spawn(move || {
            for quantum in 0..FRAMES / QUANTUM {
                // What an audio callback would do. It takes as long with three readers as with none.
                let samples: [f32; QUANTUM] = std::array::from_fn(|frame| (quantum * QUANTUM + frame) as f32);
                writer.write(&samples);
                // Five times as fast as a device.
                thread::sleep(Duration::from_micros(533));
            }
        });
        followers.map(|(name, thread)| (name, thread.join().unwrap_or_default()))
    });
    // It still finds what the ring holds, and is told how much it missed.
    let late = ("late, when all is over", follow(late, Duration::ZERO));
    assert_eq!(late.1, (ROOM, FRAMES - ROOM));

    for (name, (got, lost)) in followed.into_iter().chain([late]) {
        println!("{name}: {got} frames read, {lost} missed");
        assert_eq!(got + lost, FRAMES, "nothing is lost uncounted");
    }
    Ok(())
}
