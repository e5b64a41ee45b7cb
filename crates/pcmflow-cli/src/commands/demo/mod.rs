//! `pcmflow demo`: a melody through the whole flow, and what was heard of it.

mod listen;
mod screen;

use crate::args::DemoArgs;
use crate::failure::{Failure, Outcome};
use crate::flow::{Consumer, FlowConfig};
use crate::run::Run;
use listen::{Ear, Heard};
use pcmflow::io::synth::Signal;
use pcmflow::io::{Melody, MelodyNote, SynthSpec};
use pcmflow::nodes::{PitchNode, PitchPace, Pitched};
use pcmflow::pitch::{PitchConfig, PitchEstimate};
use pcmflow::runtime::{InputConfig, Pacing};
use screen::Screen;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) fn run(args: &DemoArgs) -> Result<Outcome, Failure> {
    let spec = SynthSpec {
        seed: args.seed,
        detune_cents: args.detune,
        ..SynthSpec::new(Signal::Melody { audible: !args.silence })
    };
    let source = spec.source().map_err(|error| Failure::Usage(error.to_string()))?;
    let melody = source.melody().cloned().ok_or_else(|| Failure::Usage("the melody is missing".into()))?;
    let listening = Arc::new(Mutex::new(Listening { ear: Ear::new(spec.format.rate), now: None }));
    let (hears, rate) = (listening.clone(), spec.format.rate);
    let hear = move |pitched: Pitched| {
        let mut listening = lock(&hears);
        listening.ear.hear(&pitched.estimate);
        listening.now = Some(pitched.estimate);
        Ok(())
    };
    let pace = if args.fast { PitchPace::Fast } else { PitchPace::Live };
    let node = PitchNode::new(PitchConfig::new(rate), rate, pace, hear)
        .map_err(|error| Failure::Pitch { input: "the melody".into(), error })?;
    let consumer = Consumer { node, wants: None, may_block: false };
    let pacing = if args.fast { Pacing::Fast } else { Pacing::RealTime };
    let config = FlowConfig { input: InputConfig { pacing, ..InputConfig::default() }, inject: None };

    let mut run = Run::begin(args.summary.as_deref())?;
    let mut screen = Screen::new();
    run.flow("melody", Box::new(source), consumer, config, |now| {
        let estimate = lock(&listening).now;
        screen.show(now, estimate);
    })?;
    screen.end();
    let ear = std::mem::replace(&mut lock(&listening).ear, Ear::new(rate));
    let heard = ear.heard();
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

/// What is heard, on the tracker's thread and for the screen.
struct Listening {
    /// Makes notes of estimates.
    ear: Ear,
    /// The last estimate.
    now: Option<PitchEstimate>,
}

fn lock(listening: &Mutex<Listening>) -> MutexGuard<'_, Listening> {
    listening.lock().unwrap_or_else(PoisonError::into_inner)
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
