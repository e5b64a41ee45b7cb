//! `pcmflow info`: what is in the inputs.

use crate::args::InfoArgs;
use crate::failure::{Failure, Outcome};
use crate::input::{Input, Kind};
use crate::tell::printable;
use pcmflow::io::scan::{Scan, ScanOptions, scan};
use pcmflow::io::{MediaInfo, Source};
use serde::Serialize;
use std::fmt::Write;

pub(crate) fn run(args: &InfoArgs) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Done;
    for input in &args.inputs {
        match look(input, args) {
            Ok((media, found)) => {
                let info = Info::new(input.label(), &media, &found);
                let text = if args.json { info.json()? } else { info.words() };
                super::print(text.as_bytes())?;
                if let Some(damage) = &found.damage {
                    tell!("pcmflow: {}: {damage}", input.name());
                    outcome = outcome.worst(Outcome::Damaged);
                }
            }
            Err(failure) => {
                tell!("pcmflow: {failure}");
                outcome = outcome.worst(failure.outcome());
            }
        }
    }
    Ok(outcome)
}

fn look(input: &Input, args: &InfoArgs) -> Result<(MediaInfo, Scan), Failure> {
    if input.kind() == Kind::Synthetic {
        let mut source = input.open_synthetic(&args.input)?;
        if source.frames_hint().is_none() {
            return Err(Failure::Usage(format!("{input} is endless: give it seconds=")));
        }
        let media = MediaInfo {
            container: "none".into(),
            codec: "synthetic".into(),
            sample_format: Some("f32".into()),
        };
        return Ok((media, scan(&mut source, ScanOptions::default())?));
    }
    let mut source = input.open_media(&args.input)?;
    let media = source.info().clone();
    let found = scan(&mut source, ScanOptions::default())?;
    Ok((media, found))
}

/// Everything about one input: one JSON line.
#[derive(Debug, Serialize)]
struct Info<'a> {
    file: &'a str,
    container: &'a str,
    codec: &'a str,
    sample_format: Option<&'a str>,
    rate_hz: u32,
    channels: usize,
    frames: u64,
    duration_s: f64,
    peak: f32,
    rms: f64,
    /// Samples in runs of three or more at full scale.
    clipped: u64,
    clipped_runs: u64,
    non_finite: u64,
    /// Stretches of half a second or more below −60 dB: the first of them.
    silences: Vec<Silence>,
    silences_total: u64,
    silent_s: f64,
    damage: Option<String>,
}

#[derive(Debug, Serialize)]
struct Silence {
    start_s: f64,
    duration_s: f64,
}

impl<'a> Info<'a> {
    fn new(file: &'a str, media: &'a MediaInfo, found: &'a Scan) -> Self {
        let rate = found.format.rate;
        Self {
            file,
            container: &media.container,
            codec: &media.codec,
            sample_format: media.sample_format.as_deref(),
            rate_hz: rate.hz(),
            channels: found.format.channels.get(),
            frames: found.frames.0,
            duration_s: found.seconds,
            peak: found.peak,
            rms: found.rms,
            clipped: found.clipped_samples,
            clipped_runs: found.clipped_runs,
            non_finite: found.non_finite_samples,
            silences: found
                .silences
                .iter()
                .map(|silence| Silence {
                    start_s: silence.start.secs(rate),
                    duration_s: rate.frames_to_secs(silence.frames),
                })
                .collect(),
            silences_total: found.silences_count,
            silent_s: rate.frames_to_secs(found.silent_frames),
            damage: found.damage.as_ref().map(ToString::to_string),
        }
    }

    fn json(&self) -> Result<String, Failure> {
        let mut line = serde_json::to_string(self).map_err(|error| Failure::Output(error.into()))?;
        line.push('\n');
        Ok(line)
    }

    fn words(&self) -> String {
        let channels = |count| match count {
            1 => "mono".to_owned(),
            2 => "stereo".to_owned(),
            more => format!("{more} channels"),
        };
        let mut text = String::new();
        let decibels = |level: f64| {
            if level > 0.0 { format!("{:.1} dB", 20.0 * level.log10()) } else { "silent".into() }
        };
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", printable(self.file));
        let _ = writeln!(text, "  container   {}", self.container);
        let _ = writeln!(text, "  codec       {}", self.codec);
        let format = self.sample_format.map(|format| format!(", {format}")).unwrap_or_default();
        let _ = writeln!(text, "  format      {} Hz, {}{format}", self.rate_hz, channels(self.channels));
        let _ = writeln!(text, "  frames      {} ({:.3} s)", self.frames, self.duration_s);
        let _ = writeln!(
            text,
            "  level       peak {}, RMS {}",
            decibels(f64::from(self.peak)),
            decibels(self.rms)
        );
        let _ = writeln!(text, "  clipped     {} samples in {} runs", self.clipped, self.clipped_runs);
        let _ = writeln!(text, "  non-finite  {} samples", self.non_finite);
        let _ = writeln!(text, "  silence     {} stretches, {:.3} s", self.silences_total, self.silent_s);
        for silence in &self.silences {
            let _ = writeln!(text, "              {:.3} s from {:.3} s", silence.duration_s, silence.start_s);
        }
        if let Some(damage) = &self.damage {
            let _ = writeln!(text, "  damage      {damage}");
        }
        text
    }
}
