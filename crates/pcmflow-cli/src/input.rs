//! What an INPUT on the command line names.

use crate::args::{FlowArgs, InputArgs};
use crate::failure::Failure;
use clap::builder::{OsStringValueParser, TypedValueParser};
use pcmflow::core::format::{SampleEncoding, StreamFormat};
use pcmflow::io::{
    FileId, FileSource, RawFormat, Source, SynthError, SynthSource, SynthSpec, open_file, open_reader,
};
use pcmflow::runtime::Pacing;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;

/// Where an input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Standard,
    Synthetic,
}

/// One INPUT: a path in whatever bytes the system allows, `-`, or a synthetic signal.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    argument: OsString,
    /// The argument as it can be printed.
    label: String,
}

impl From<OsString> for Input {
    fn from(argument: OsString) -> Self {
        Self { label: argument.to_string_lossy().into_owned(), argument }
    }
}

impl Input {
    /// How the command line reads one.
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().map(Self::from)
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.label.as_str() {
            "-" => Kind::Standard,
            synthetic if synthetic.starts_with("synth:") => Kind::Synthetic,
            _ => Kind::File,
        }
    }

    /// As it was given, for the `file` of what is printed.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> &str {
        if self.kind() == Kind::Standard { "standard input" } else { &self.label }
    }

    /// A file or standard input, decoded.
    pub(crate) fn open_media(&self, args: &InputArgs) -> Result<FileSource, Failure> {
        let raw = args.raw.as_deref().map(raw_format).transpose()?;
        if self.kind() == Kind::Standard {
            let stdin = std::io::stdin();
            if stdin.is_terminal() {
                return Err(Failure::Usage(
                    "standard input is a terminal: pipe audio into it, or name a file".into(),
                ));
            }
            return Ok(open_reader(stdin, self.name(), raw)?);
        }
        self.refuse_raw(args)?;
        Ok(open_file(&self.argument)?)
    }

    /// The synthetic signal that it names.
    pub(crate) fn open_synthetic(&self, args: &InputArgs) -> Result<SynthSource, Failure> {
        self.refuse_raw(args)?;
        let wrong = |error: SynthError| Failure::Usage(format!("{self}: {error}"));
        self.label.parse::<SynthSpec>().and_then(|spec| spec.source()).map_err(wrong)
    }

    fn refuse_raw(&self, args: &InputArgs) -> Result<(), Failure> {
        match args.raw {
            None => Ok(()),
            Some(_) => {
                Err(Failure::Usage(format!("--raw is for standard input, not for {self}: name - instead")))
            }
        }
    }

    /// Opens any input.
    pub(crate) fn open(&self, args: &InputArgs) -> Result<Box<dyn Source>, Failure> {
        match self.kind() {
            Kind::Synthetic => Ok(Box::new(self.open_synthetic(args)?)),
            Kind::File | Kind::Standard => Ok(Box::new(self.open_media(args)?)),
        }
    }

    /// Who sets the pace for it.
    pub(crate) fn pacing(&self, args: &FlowArgs) -> Pacing {
        match (self.kind(), args.fast, args.realtime) {
            (_, true, _) => Pacing::Fast,
            (Kind::Standard, false, _) => Pacing::Live,
            (_, false, true) => Pacing::RealTime,
            (_, false, false) => Pacing::Fast,
        }
    }

    /// Refuses an output that would overwrite this input, or another name of it, before or while it is read.
    pub(crate) fn refuse_as_output(&self, output: &Path) -> Result<(), Failure> {
        let id = match self.kind() {
            Kind::File => FileId::of(&self.argument),
            Kind::Standard => FileId::of_standard_input(),
            Kind::Synthetic => None,
        };
        if id.is_some() && id == FileId::of(output) {
            return Err(Failure::Usage(format!(
                "{} is the input itself: name another output",
                output.display()
            )));
        }
        Ok(())
    }
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.label)
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
        let kind = |text: &str| Input::from(OsString::from(text)).kind();
        assert_eq!(
            [kind("-"), kind("synth:melody"), kind("a.wav")],
            [Kind::Standard, Kind::Synthetic, Kind::File]
        );
    }
}
