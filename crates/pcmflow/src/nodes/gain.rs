//! Louder or softer.

use crate::core::chunk::AudioChunk;
use crate::core::ledger::{Gap, LossCause};
use crate::core::pool::Miss;
use crate::engine::flow::{Node, NodeError, Out};

/// Why there is no such gain.
///
/// ```
/// use pcmflow::nodes::{GainError, GainNode};
/// let error = GainNode::new(f32::NAN).unwrap_err();
/// assert_eq!(error.to_string(), "a gain of NaN dB: -120 to 60 dB are possible");
/// assert!(matches!(error, GainError { .. }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a gain of {db} dB: -120 to 60 dB are possible")]
pub struct GainError {
    /// What was asked for.
    pub db: f32,
}

/// A node that multiplies every sample: in place where it holds the only handle of a chunk, in a copy from the pool where others
/// do.
///
/// ```
/// use pcmflow::engine::flow::{Node, Ports};
/// use pcmflow::nodes::GainNode;
/// let gain = GainNode::new(-6.0206)?;
/// assert!((gain.factor() - 0.5).abs() < 1e-6);
/// let (ports, node): (_, Box<dyn Node>) = (Ports::node(None), Box::new(gain));
/// assert_eq!(ports.inputs, 1); // both for `DataFlowCoordinator::add_node`
/// # drop(node);
/// # Ok::<(), pcmflow::nodes::GainError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GainNode {
    factor: f32,
}

impl GainNode {
    /// A gain of so many decibels.
    ///
    /// Not RT-safe: meant for set-up.
    ///
    /// # Errors
    /// [`GainError`] below −120 and above 60 dB.
    pub fn new(db: f32) -> Result<Self, GainError> {
        match (-120.0..=60.0).contains(&db) {
            true => Ok(Self { factor: 10f32.powf(db / 20.0) }),
            false => Err(GainError { db }),
        }
    }

    /// What samples are multiplied by.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn factor(&self) -> f32 {
        self.factor
    }
}

impl Node for GainNode {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        let (meta, span) = (*chunk.meta(), chunk.span());
        let mut buffer = chunk.into_buffer();
        match buffer.make_mut(Miss::Grow) {
            Ok(samples) => {
                samples.iter_mut().for_each(|sample| *sample *= self.factor);
                out.chunk(AudioChunk::spanning(buffer, meta, span)?);
            }
            // No buffer for a copy: these frames are missing behind this node.
            Err(_) => out.gap(Gap { position: meta.position, frames: span, cause: LossCause::Overflow }),
        }
        Ok(())
    }
}
