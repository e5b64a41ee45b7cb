//! What an INPUT on the command line names.

use crate::args::{FlowArgs, InputArgs};
use crate::failure::Failure;
use pcmflow::core::format::{SampleEncoding, StreamFormat};
use pcmflow::io::{FileSource, RawFormat, Source, SynthSpec, open_file, open_reader};
use pcmflow::runtime::Pacing;
use std::io::IsTerminal;

/// Where an input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Standard,
    Synthetic,
}

pub(crate) fn kind(input: &str) -> Kind {
    match input {
        "-" => Kind::Standard,
        synthetic if synthetic.starts_with("synth:") => Kind::Synthetic,
        _ => Kind::File,
    }
}

/// What an input is called in messages.
pub(crate) fn name(input: &str) -> &str {
    if kind(input) == Kind::Standard { "standard input" } else { input }
}

/// A file or standard input, decoded.
pub(crate) fn open_media(input: &str, args: &InputArgs) -> Result<FileSource, Failure> {
    let raw = args.raw.as_deref().map(raw_format).transpose()?;
    if kind(input) == Kind::Standard {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Err(Failure::Usage(
                "standard input is a terminal: pipe audio into it, or name a file".into(),
            ));
        }
        return Ok(open_reader(stdin, name(input), raw)?);
    }
    match raw {
        None => Ok(open_file(input)?),
        Some(_) => {
            Err(Failure::Usage(format!("--raw is for standard input: try `pcmflow … - --raw … < {input}`")))
        }
    }
}

/// Opens any input.
pub(crate) fn open(input: &str, args: &InputArgs) -> Result<Box<dyn Source>, Failure> {
    if kind(input) == Kind::Synthetic {
        let spec: SynthSpec = input.parse().map_err(|error| Failure::Usage(format!("{input}: {error}")))?;
        return Ok(Box::new(spec.source().map_err(|error| Failure::Usage(format!("{input}: {error}")))?));
    }
    Ok(Box::new(open_media(input, args)?))
}

/// Who sets the pace for an input.
pub(crate) fn pacing(input: &str, args: &FlowArgs) -> Pacing {
    match (kind(input), args.fast, args.realtime) {
        (_, true, _) => Pacing::Fast,
        (Kind::Standard, false, _) => Pacing::Live,
        (_, false, true) => Pacing::RealTime,
        (_, false, false) => Pacing::Fast,
    }
}

/// Reads `s16le,rate=16000,channels=2`.
fn raw_format(text: &str) -> Result<RawFormat, Failure> {
    let wrong = |what: String| Failure::Usage(format!("--raw {text}: {what}"));
    let mut parts = text.split(',');
    let encoding: SampleEncoding =
        parts.next().unwrap_or_default().parse().map_err(|error| wrong(format!("{error}")))?;
    let (mut rate, mut channels) = (48_000, 1);
    for part in parts {
        let number = |value: &str| value.parse::<u32>().map_err(|_| wrong(format!("{value:?} is no number")));
        match part.split_once('=') {
            Some(("rate", value)) => rate = number(value)?,
            Some(("channels", value)) => channels = number(value)?,
            _ => return Err(wrong(format!("no setting {part:?}; rate= and channels= are known"))),
        }
    }
    let format = StreamFormat::new(rate, channels).map_err(|error| wrong(format!("{error}")))?;
    Ok(RawFormat { encoding, format })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_formats_are_read_or_named() {
        let raw = raw_format("s24be,rate=8000,channels=3").unwrap();
        assert_eq!(
            (raw.encoding.to_string(), raw.format),
            ("s24be".into(), StreamFormat::new(8_000, 3).unwrap())
        );
        assert_eq!(raw_format("f32le").unwrap().format, StreamFormat::new(48_000, 1).unwrap());
        for wrong in
            ["", "s17le", "s16le,rate=x", "s16le,rate=10", "s16le,channels=0", "s16le,speed=3", "s16le,"]
        {
            assert!(
                raw_format(wrong).unwrap_err().to_string().starts_with(&format!("--raw {wrong}: ")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn inputs_have_kinds() {
        assert_eq!(
            [kind("-"), kind("synth:melody"), kind("a.wav")],
            [Kind::Standard, Kind::Synthetic, Kind::File]
        );
    }
}
