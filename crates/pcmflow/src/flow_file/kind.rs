//! What a node can be.

use super::{Parameter, Values};
use crate::engine::flow::Ports;
use crate::engine::transform::Shape;

/// What a node is for.
///
/// ```
/// use pcmflow::flow_file::Role;
/// assert_eq!(Role::Source.name(), "source");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Frames come from it.
    Source,
    /// Frames come in and go out.
    Transform,
    /// It makes something else of frames.
    Consumer,
    /// It keeps frames.
    Sink,
}

impl Role {
    /// One word.
    ///
    /// Not RT-safe: meant for set-up.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Consumer => "consumer",
            Self::Sink => "sink",
        }
    }
}

/// A kind of node: what a flow file can say of it, and what the graph has to know.
///
/// ```
/// use pcmflow::flow_file::{Kind, Role};
/// let join = Kind::find("join").unwrap();
/// assert_eq!((join.role, join.parameters.len()), (Role::Transform, 2));
/// ```
#[derive(Debug)]
pub struct Kind {
    /// Its name in a file.
    pub name: &'static str,
    /// What it is for.
    pub role: Role,
    /// What it does.
    pub doc: &'static str,
    /// What can be said.
    pub parameters: &'static [Parameter],
    /// Of any other than a source: what goes in and comes out, as far as what comes is known. Opens nothing.
    pub(super) ports: fn(&Values, Option<Shape>) -> Ports,
}

impl Kind {
    /// The kind of this name.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn find(name: &str) -> Option<&'static Self> {
        super::KINDS.iter().find(|kind| kind.name == name)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
