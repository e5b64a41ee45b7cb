//! Changes of a node's task, as the coordinator hands them to it.

use super::inlet::Inlet;
use super::link::LinkCell;
use super::outlet::Outlet;
use crate::pressure::Strategy;
use crate::sync::Arc;

/// A change of a task that runs.
pub(super) enum Edit {
    /// One more link begins here.
    Attach(Box<Outlet>),
    /// The link ends here, once what was sent is in it.
    Detach(Arc<LinkCell>),
    Outlet(Arc<LinkCell>, OutletChange),
    /// One more input.
    Input(usize, Box<Inlet>),
    /// Call it no more; what still comes is lost.
    Remove,
}

/// A change of a link's sending end.
#[derive(Debug, Clone, Copy)]
pub(super) enum OutletChange {
    Strategy(Strategy),
    /// Sends nothing, or sends again.
    Shut(bool),
}
