//! Which node reads or writes what: nobody may write what another reads or writes.

use super::parameter::Accepts;
use super::{FlowFile, FlowFileError, FlowFileErrors, FlowNode, Role, Wrong};
use crate::io::FileId;
use std::path::{Path, PathBuf};

/// A file that is no node's: see [`FlowFile::reserve`].
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reserved {
    path: PathBuf,
    what: &'static str,
}

impl FlowNode {
    /// What it reads or writes.
    fn claim(&self, folder: &Path) -> Option<Claim<'_>> {
        let claim = |place: Place, does| Claim { node: self, id: place.id(), place, does };
        if self.kind.name == "stdin" {
            return Some(claim(Place::Input, READS));
        }
        self.kind.parameters.iter().find_map(|parameter| {
            let path = self.values.text(parameter.name)?;
            match parameter.accepts {
                Accepts::Input => Some(claim(Place::File(folder.join(path)), READS)),
                Accepts::OutputOrStandard if path == "-" => Some(claim(Place::Output, WRITES)),
                Accepts::Output | Accepts::OutputOrStandard => {
                    Some(claim(Place::File(folder.join(path)), WRITES))
                }
                _ => None,
            }
        })
    }

    /// Whether it shares standard output with its like: lines that are whole, each with the node's name.
    fn shares_lines(&self) -> bool {
        self.kind.role == Role::Consumer && self.values.text("form") != Some("csv")
    }

    /// Whether it writes, be it to a file or to standard output.
    pub(super) fn writes(&self) -> bool {
        let writes = |accepts| matches!(accepts, Accepts::Output | Accepts::OutputOrStandard);
        self.kind.parameters.iter().any(|parameter| writes(parameter.accepts))
    }

    /// Whether it writes to standard output, by whatever name; `folder` is that of the flow file.
    ///
    /// Not RT-safe: makes system calls.
    pub fn writes_standard_output(&self, folder: &Path) -> bool {
        self.claim(folder).is_some_and(|claim| claim.does == WRITES && claim.is_at(Place::Output))
    }

    /// Whether it reads standard input, by whatever name; `folder` is that of the flow file.
    ///
    /// Not RT-safe: makes system calls.
    pub fn reads_standard_input(&self, folder: &Path) -> bool {
        self.claim(folder).is_some_and(|claim| claim.does == READS && claim.is_at(Place::Input))
    }

    /// The file that it reads or writes.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn path(&self, folder: &Path) -> Option<PathBuf> {
        match self.claim(folder)?.place {
            Place::File(path) => Some(path),
            Place::Input | Place::Output => None,
        }
    }
}

const READS: &str = "reads";
const WRITES: &str = "writes to";

enum Place {
    Input,
    Output,
    File(PathBuf),
}

impl Place {
    fn id(&self) -> Option<FileId> {
        match self {
            Self::Input => FileId::of_standard_input(),
            Self::Output => FileId::of_standard_output(),
            Self::File(path) => FileId::of(path),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Input => "standard input".to_owned(),
            Self::Output => "standard output".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

struct Claim<'a> {
    node: &'a FlowNode,
    place: Place,
    /// None of devices, which are nobody's.
    id: Option<FileId>,
    does: &'static str,
}

impl Claim<'_> {
    fn clashes(&self, other: &Claim<'_>) -> bool {
        match (&self.place, &other.place) {
            (Place::Input, Place::Input) => true,
            (Place::Output, Place::Output) => !(self.node.shares_lines() && other.node.shares_lines()),
            // One file may be read twice.
            _ => (self.does == WRITES || other.does == WRITES) && self.is(&other.id),
        }
    }

    fn is_at(&self, place: Place) -> bool {
        std::mem::discriminant(&self.place) == std::mem::discriminant(&place) || self.is(&place.id())
    }

    fn is(&self, id: &Option<FileId>) -> bool {
        self.id.is_some() && self.id == *id
    }
}

impl FlowFile {
    /// Keeps a file from being read or written by a node: the flow file itself, and what else is read or written beside the flow.
    /// `what` says what it is.
    ///
    /// Not RT-safe: allocates.
    pub fn reserve(&mut self, path: impl Into<PathBuf>, what: &'static str) {
        self.reserved.push(Reserved { path: path.into(), what });
    }

    /// Refuses a flow of which two nodes have one file that is written, or a node one that is [reserved](Self::reserve), by whatever
    /// names. Two names of a file that is not there yet can only be told to be one when it is.
    ///
    /// Not RT-safe: makes system calls.
    ///
    /// # Errors
    /// [`Wrong::Shared`] and [`Wrong::Reserved`].
    pub(super) fn clashes(&self, folder: &Path) -> Vec<FlowFileError> {
        let mut errors = Vec::new();
        let reserved: Vec<_> = self.reserved.iter().map(|file| (FileId::of(&file.path), file.what)).collect();
        let claims: Vec<_> = self.nodes.iter().filter_map(|node| node.claim(folder)).collect();
        for (index, claim) in claims.iter().enumerate() {
            let mut wrong = |wrong| errors.push(FlowFileError::new(claim.node.line, wrong));
            let node = || claim.node.name.clone();
            if let Some(before) = claims[..index].iter().find(|before| claim.clashes(before)) {
                let (other, does, path) = (before.node.name.clone(), before.does, before.place.shown());
                wrong(Wrong::Shared { node: node(), other, does, path });
            }
            if let Some((_, what)) = reserved.iter().find(|(id, _)| claim.is(id)) {
                wrong(Wrong::Reserved { node: node(), path: claim.place.shown(), what });
            }
        }
        errors
    }

    pub(super) fn refuse_clashes(&self, folder: &Path) -> Result<(), FlowFileErrors> {
        match self.clashes(folder) {
            errors if errors.is_empty() => Ok(()),
            errors => Err(FlowFileErrors::of(errors)),
        }
    }
}
