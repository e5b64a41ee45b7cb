//! The text that names a synthetic signal.

use super::SynthSource;
use pcmflow_core::format::{FormatError, StreamFormat};
use std::str::FromStr;

/// The longest signal that can be asked for by number: a year.
const SECONDS_MAX: f64 = 366.0 * 86_400.0;

/// Which signal.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Signal {
    /// `sine:HZ`
    Sine {
        /// Frequency.
        hz: f64,
    },
    /// `sweep:HZ-HZ`: rises or falls by the same interval in each second (exponential).
    Sweep {
        /// Frequency at the start.
        from_hz: f64,
        /// Frequency at the end.
        to_hz: f64,
    },
    /// `noise:white` or `noise:pink`
    Noise(NoiseColour),
    /// `silence`
    Silence,
    /// `clicks:250ms`: single samples at full level, the first at the start.
    Clicks {
        /// From one click to the next.
        interval_ms: f64,
    },
    /// `melody`: a plucked tune composed from the seed; `melody:silent` lasts as long and is silent.
    Melody {
        /// Whether it is heard.
        audible: bool,
    },
}

/// How the power of a noise falls with frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseColour {
    /// Not at all.
    White,
    /// By half per octave.
    Pink,
}

/// A synthetic signal with all its settings.
///
/// The text form is a signal and settings, with commas between: `sine:440,seconds=5,rate=44100`. A leading `synth:` is
/// allowed. Settings, with their defaults:
///
/// | setting | meaning | default |
/// | --- | --- | --- |
/// | `seconds` | length, or `endless`; a melody has its own | 5 |
/// | `rate` | frames per second | 48000 |
/// | `channels` | all carry the same signal | 1 |
/// | `level` | highest possible sample in dB below full scale, so 0 or less | −12 |
/// | `seed` | what noise and melody are drawn from | 1 |
/// | `detune` | cents that a melody is off by, −1200 to 1200 | 0 |
///
/// ```
/// use pcmflow_io::{Source, SynthSpec};
/// let spec: SynthSpec = "synth:sine:440,seconds=0.5,rate=16000".parse()?;
/// assert_eq!(spec.source()?.frames_hint(), Some(8_000.into()));
/// assert!("sine:440,speed=2".parse::<SynthSpec>().is_err());
/// # Ok::<(), pcmflow_io::SynthError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SynthSpec {
    /// Which signal.
    pub signal: Signal,
    /// Length in seconds; `None` is endless. A melody has its own length, whatever stands here.
    pub seconds: Option<f64>,
    /// Rate and channels.
    pub format: StreamFormat,
    /// The highest possible sample, in dB relative to full scale.
    pub level_db: f64,
    /// What noise and melody are drawn from.
    pub seed: u64,
    /// Cents that a melody is off by.
    pub detune_cents: f64,
}

/// Why a synthetic signal can't be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SynthError {
    /// No such signal.
    #[error(
        "no synthetic signal {text:?}; one of sine:440, sweep:27.5-4200, noise:white, noise:pink, silence, clicks:250ms, melody, melody:silent"
    )]
    Signal {
        /// What was given.
        text: String,
    },
    /// No such setting.
    #[error("no setting {text:?}; one of seconds=, rate=, channels=, level=, seed=, detune=")]
    Setting {
        /// What was given.
        text: String,
    },
    /// A value that is no number, or out of range.
    #[error("{key}={text:?}: {allowed} is allowed")]
    Value {
        /// Name of the setting or signal.
        key: &'static str,
        /// What was given.
        text: String,
        /// What would have been right.
        allowed: &'static str,
    },
    /// A setting that stands there twice.
    #[error("{key}= stands there twice; leave one")]
    Twice {
        /// Its name.
        key: String,
    },
    /// A setting that means nothing for this signal.
    #[error("{signal} has no {key}=: leave it out")]
    Meaningless {
        /// The signal's name.
        signal: &'static str,
        /// The setting's.
        key: &'static str,
    },
    /// The rate or the channels are out of range.
    #[error(transparent)]
    Format(#[from] FormatError),
}

fn value(key: &'static str, text: impl ToString, allowed: &'static str) -> SynthError {
    SynthError::Value { key, text: text.to_string(), allowed }
}

impl SynthSpec {
    /// `signal` with every setting at its default.
    pub fn new(signal: Signal) -> Self {
        let format = StreamFormat {
            rate: pcmflow_core::format::SampleRate::HZ_48000,
            channels: pcmflow_core::format::ChannelCount::MONO,
        };
        Self { signal, seconds: Some(5.0), format, level_db: -12.0, seed: 1, detune_cents: 0.0 }
    }

    /// Makes the source.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`SynthError::Value`] for a value that is out of range, by name.
    pub fn source(&self) -> Result<SynthSource, SynthError> {
        self.check()?;
        Ok(SynthSource::new(self))
    }

    fn check(&self) -> Result<(), SynthError> {
        let nyquist_hz = f64::from(self.format.rate.hz()) / 2.0;
        let pitch = |key, hz: f64| match hz > 0.0 && hz < nyquist_hz {
            true => Ok(()),
            false => Err(value(key, hz, "a frequency above 0 and below half the rate")),
        };
        match self.signal {
            Signal::Sine { hz } => pitch("sine", hz)?,
            Signal::Sweep { from_hz, to_hz } => {
                pitch("sweep", from_hz)?;
                pitch("sweep", to_hz)?;
                if self.seconds.is_none() {
                    return Err(value("seconds", "endless", "a sweep has to end, so a number"));
                }
            }
            Signal::Clicks { interval_ms } => {
                if !(interval_ms > 0.0 && interval_ms <= 60_000.0) {
                    return Err(value("clicks", interval_ms, "an interval above 0 and up to 60000 ms"));
                }
            }
            Signal::Noise(_) | Signal::Silence | Signal::Melody { .. } => {}
        }
        if self.seconds.is_some_and(|seconds| !(0.0..=SECONDS_MAX).contains(&seconds)) {
            let seconds = self.seconds.unwrap_or_default();
            return Err(value("seconds", seconds, "0 to 31622400, or endless,"));
        }
        if !(-200.0..=0.0).contains(&self.level_db) {
            return Err(value("level", self.level_db, "−200 to 0 dB"));
        }
        if !(-1200.0..=1200.0).contains(&self.detune_cents) {
            return Err(value("detune", self.detune_cents, "−1200 to 1200 cents"));
        }
        Ok(())
    }
}

impl FromStr for SynthSpec {
    type Err = SynthError;

    fn from_str(text: &str) -> Result<Self, SynthError> {
        let text = text.strip_prefix("synth:").unwrap_or(text);
        let mut parts = text.split(',');
        let mut spec = SynthSpec::new(signal(parts.next().unwrap_or_default())?);
        let (mut rate_hz, mut channels) = (spec.format.rate.hz(), 1);
        let mut said = Vec::new();
        for part in parts {
            let setting = || SynthError::Setting { text: part.into() };
            let (key, text) = part.split_once('=').ok_or_else(setting)?;
            if said.contains(&key) {
                return Err(SynthError::Twice { key: key.into() });
            }
            match key {
                "seconds" if text == "endless" => spec.seconds = None,
                "seconds" => spec.seconds = Some(number("seconds", text, "a number, or endless,")?),
                "rate" => rate_hz = number("rate", text, "a whole number of Hz")?,
                "channels" => channels = number("channels", text, "1 to 64")?,
                "level" => {
                    let plain = text.strip_suffix("dB").unwrap_or(text);
                    spec.level_db = number("level", plain, "−200 to 0 dB")?;
                }
                "seed" => spec.seed = number("seed", text, "a whole number")?,
                "detune" => spec.detune_cents = number("detune", text, "−1200 to 1200 cents")?,
                _ => return Err(setting()),
            }
            // Known keys alone: there are few.
            said.push(key);
        }
        let (signal, without): (_, &[&str]) = match spec.signal {
            Signal::Sine { .. } => ("sine", &["seed", "detune"]),
            Signal::Sweep { .. } => ("sweep", &["seed", "detune"]),
            Signal::Noise(_) => ("noise", &["detune"]),
            Signal::Silence => ("silence", &["seed", "detune"]),
            Signal::Clicks { .. } => ("clicks", &["seed", "detune"]),
            Signal::Melody { .. } => ("melody", &["seconds"]),
        };
        if let Some(&key) = without.iter().find(|key| said.contains(key)) {
            return Err(SynthError::Meaningless { signal, key });
        }
        spec.format = StreamFormat::new(rate_hz, channels)?;
        spec.check()?;
        Ok(spec)
    }
}

fn number<T: FromStr>(key: &'static str, text: &str, allowed: &'static str) -> Result<T, SynthError> {
    text.parse().map_err(|_| value(key, text, allowed))
}

fn signal(text: &str) -> Result<Signal, SynthError> {
    const HZ: &str = "a frequency in Hz";
    let (kind, argument) = match text.split_once(':') {
        Some((kind, argument)) => (kind, Some(argument)),
        None => (text, None),
    };
    match (kind, argument) {
        ("sine", Some(hz)) => Ok(Signal::Sine { hz: number("sine", hz, HZ)? }),
        ("sweep", Some(range)) => {
            let (from, to) = range
                .split_once('-')
                .ok_or_else(|| value("sweep", range, "two frequencies, as in 27.5-4200,"))?;
            Ok(Signal::Sweep { from_hz: number("sweep", from, HZ)?, to_hz: number("sweep", to, HZ)? })
        }
        ("noise", None | Some("white")) => Ok(Signal::Noise(NoiseColour::White)),
        ("noise", Some("pink")) => Ok(Signal::Noise(NoiseColour::Pink)),
        ("silence", None) => Ok(Signal::Silence),
        ("clicks", Some(interval)) => {
            const TIME: &str = "an interval as in 250ms or 0.25s";
            let interval_ms = match (interval.strip_suffix("ms"), interval.strip_suffix('s')) {
                (Some(ms), _) => number("clicks", ms, TIME)?,
                (None, Some(seconds)) => number::<f64>("clicks", seconds, TIME)? * 1000.0,
                (None, None) => return Err(value("clicks", interval, TIME)),
            };
            Ok(Signal::Clicks { interval_ms })
        }
        ("melody", None) => Ok(Signal::Melody { audible: true }),
        ("melody", Some("silent")) => Ok(Signal::Melody { audible: false }),
        _ => Err(SynthError::Signal { text: text.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        text.parse::<SynthSpec>().map(|spec| panic!("{spec:?}")).unwrap_err().to_string()
    }

    #[test]
    fn every_signal_and_setting_is_read() {
        let spec = |text: &str| text.parse::<SynthSpec>().unwrap();
        assert_eq!(spec("sine:440").signal, Signal::Sine { hz: 440.0 });
        assert_eq!(spec("sweep:27.5-4200").signal, Signal::Sweep { from_hz: 27.5, to_hz: 4200.0 });
        assert_eq!(spec("noise"), spec("noise:white"));
        assert_eq!(spec("noise:pink").signal, Signal::Noise(NoiseColour::Pink));
        assert_eq!(spec("synth:silence").signal, Signal::Silence);
        assert_eq!(spec("clicks:250ms"), spec("clicks:0.25s"));
        assert_eq!(spec("melody").signal, Signal::Melody { audible: true });
        assert_eq!(spec("melody:silent").signal, Signal::Melody { audible: false });
        let all = spec("noise,seconds=2.5,rate=8000,channels=3,level=-6dB,seed=9");
        assert_eq!(all.format, StreamFormat::new(8_000, 3).unwrap());
        assert_eq!((all.seconds, all.level_db, all.seed), (Some(2.5), -6.0, 9));
        assert_eq!(spec("melody,detune=-20").detune_cents, -20.0);
        assert_eq!(spec("silence,seconds=endless").seconds, None);
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, says) in [
            ("", "no synthetic signal"),
            ("square:440", "square:440"),
            ("sine", "no synthetic signal"),
            ("sine:high", "sine=\"high\""),
            ("sine:24000", "below half the rate"),
            ("sine:NaN", "below half the rate"),
            ("sweep:100", "two frequencies"),
            ("sweep:100-x", "sweep=\"x\""),
            ("sweep:100-0", "sweep=\"0\""),
            ("sweep:100-200,seconds=endless", "has to end"),
            ("clicks:250", "250ms"),
            ("clicks:0ms", "above 0"),
            ("noise:brown", "noise:brown"),
            ("silence,seconds=-1", "seconds=\"-1\""),
            ("silence,seconds=NaN", "seconds=\"NaN\""),
            ("silence,seconds=soon", "endless"),
            ("silence,rate=1", "1 Hz"),
            ("silence,channels=65", "65 channels"),
            ("silence,level=3", "level=\"3\""),
            ("noise,seed=x", "whole number"),
            ("melody,detune=2000", "detune=\"2000\""),
            ("silence,seconds=1,seconds=2", "seconds= stands there twice"),
            ("melody,seconds=4", "melody has no seconds="),
            ("sine:440,detune=5", "sine has no detune="),
            ("clicks:250ms,seed=5", "clicks has no seed="),
            ("silence,speed=2", "speed=2"),
            ("silence,loud", "\"loud\""),
        ] {
            assert!(error(text).contains(says), "{text}: {}", error(text));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,40}") {
            let _ = text.parse::<SynthSpec>();
        }

        #[test]
        fn any_setting_is_answered(key in "seconds|rate|channels|level|seed|detune", text in "[-+0-9.eEinfa]{0,8}") {
            if let Ok(spec) = format!("sine:440,{key}={text}").parse::<SynthSpec>() {
                prop_assert!(spec.source().is_ok());
            }
        }
    }
}
