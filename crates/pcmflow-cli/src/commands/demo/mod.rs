//! `pcmflow demo`: a melody through the whole flow, and what was heard of it.

mod listen;
mod screen;

use crate::args::DemoArgs;
use crate::failure::{Failure, Outcome};
use crate::run::Run;
use listen::{Ear, Heard};
use pcmflow::core::block::BufferConstants;
use pcmflow::core::chunk::AudioChunk;
use pcmflow::core::format::Interleaved;
use pcmflow::core::stream::Overflow;
use pcmflow::io::synth::Signal;
use pcmflow::io::{Melody, MelodyNote, SynthSpec};
use pcmflow::pitch::{PitchConfig, PitchEstimate, PitchTracker};
use pcmflow::runtime::{ChunkCx, Consumer, ConsumerError, FlowConfig, Pacing};
use screen::Screen;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) fn run(args: &DemoArgs) -> Result<Outcome, Failure> {
    let spec = SynthSpec {
        seed: args.seed,
        detune_cents: args.detune,
        ..SynthSpec::new(Signal::Melody { audible: !args.silence })
    };
    let source = spec.source().map_err(|error| Failure::Usage(error.to_string()))?;
    let melody = source.melody().cloned().ok_or_else(|| Failure::Usage("the melody is missing".into()))?;
    let tracker = PitchTracker::new(PitchConfig::new(spec.format.rate))
        .map_err(|error| Failure::Pitch { input: "the melody".into(), error })?;
    let now = Arc::new(Mutex::new(None));
    let consumer = Listener { tracker, ear: Ear::new(spec.format.rate), now: now.clone() };
    let config = FlowConfig {
        block: BufferConstants::PRODUCTION,
        pacing: if args.fast { Pacing::Fast } else { Pacing::RealTime },
        overflow: Overflow::Reject,
        inject: None,
    };

    let mut run = Run::begin(args.summary.as_deref())?;
    let mut screen = Screen::new();
    let listener = run.flow("melody", Box::new(source), consumer, config, |running| {
        let estimate = *now.lock().unwrap_or_else(PoisonError::into_inner);
        screen.show(&running.snapshot(), estimate);
    })?;
    screen.end();
    let heard = listener.ear.heard();
    let played = if args.silence { &[] } else { melody.notes() };
    let interrupted = run.stop.is_asked();
    let (table, found) = compare(played, &heard, &melody);
    super::print(table.as_bytes())?;
    let outcome = run.end()?;
    if interrupted {
        return Ok(outcome);
    }
    if found < played.len() {
        return Err(Failure::Unheard(format!(
            "{} of {} notes were not heard",
            played.len() - found,
            played.len()
        )));
    }
    if heard.len() > played.len() {
        let surplus = heard.len() - played.len();
        return Err(Failure::Unheard(format!("{surplus} notes were heard that nobody played")));
    }
    Ok(outcome)
}

/// The consumer: a tracker, and an ear that makes notes of its estimates.
struct Listener {
    tracker: PitchTracker,
    ear: Ear,
    /// The last estimate, for the screen.
    now: Arc<Mutex<Option<PitchEstimate>>>,
}

impl Listener {
    fn hear(&mut self, estimate: PitchEstimate) {
        self.ear.hear(&estimate);
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Some(estimate);
    }
}

impl Consumer for Listener {
    fn chunk(&mut self, chunk: &AudioChunk, _: &ChunkCx) -> Result<(), ConsumerError> {
        let block = Interleaved::new(chunk.samples(), chunk.channels())?;
        if let Some(estimate) = self.tracker.block(chunk.position(), block) {
            self.hear(estimate);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ConsumerError> {
        let tail: Vec<_> = self.tracker.finish().collect();
        for estimate in tail {
            self.hear(estimate);
        }
        Ok(())
    }
}

/// The notes played beside the notes heard, and how many were found.
fn compare(played: &[MelodyNote], heard: &[Heard], melody: &Melody) -> (String, usize) {
    let rate = melody.rate();
    let mut table = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(table, "{:>7}  {:<18} {:<24}", "time", "played", "heard");
    let mut found = 0;
    for note in played {
        let end = note.start + note.frames;
        let answer = heard.iter().find(|heard| heard.middle() >= note.start && heard.middle() < end);
        let _ = write!(table, "{:>6.2}s  {:<4} {:>10.2} Hz   ", note.start.secs(rate), note.name(), note.hz,);
        match answer {
            Some(heard) => {
                let off_cents = 1200.0 * (heard.hz / note.hz).log2();
                let right = off_cents.abs() < 50.0;
                found += usize::from(right);
                let verdict = if right { "✓" } else { "✗" };
                let _ = writeln!(
                    table,
                    "{:<4} {:+6.1} cents {:>10.2} Hz  {verdict}",
                    heard.note, heard.cents, heard.hz
                );
            }
            None => {
                let _ = writeln!(table, "nothing  ✗");
            }
        }
    }
    let _ =
        writeln!(table, "heard {found} of {} notes played; {} notes heard in all", played.len(), heard.len());
    (table, found)
}
