//! To whom a node that measures tells what it found.

use crate::core::ledger::Gap;
use crate::engine::flow::NodeError;

/// Hears what a node measures, on the node's thread. Any closure that takes the results is one.
///
/// ```
/// use pcmflow::nodes::Listener;
/// let mut heard = Vec::new();
/// let mut listener = |level: f32| Ok(heard.push(level));
/// listener.heard(0.5)?;
/// listener.over()?;
/// assert_eq!(heard, [0.5]);
/// # Ok::<(), pcmflow::engine::flow::NodeError>(())
/// ```
pub trait Listener<T>: Send {
    /// Takes a result.
    ///
    /// Not RT-safe: what it may do is the listener's to say.
    ///
    /// # Errors
    /// Whatever keeps it from going on: the node then fails with it.
    fn heard(&mut self, result: T) -> Result<(), NodeError>;

    /// Learns that frames are missing here.
    ///
    /// Not RT-safe: as [`heard`](Self::heard).
    ///
    /// # Errors
    /// As [`heard`](Self::heard).
    fn gap(&mut self, gap: Gap) -> Result<(), NodeError> {
        let _ = gap;
        Ok(())
    }

    /// The stream is over, and every result was told.
    ///
    /// Not RT-safe: as [`heard`](Self::heard).
    ///
    /// # Errors
    /// As [`heard`](Self::heard).
    fn over(&mut self) -> Result<(), NodeError> {
        Ok(())
    }
}

impl<T, F: FnMut(T) -> Result<(), NodeError> + Send> Listener<T> for F {
    fn heard(&mut self, result: T) -> Result<(), NodeError> {
        self(result)
    }
}
