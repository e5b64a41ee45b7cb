//! An input as a session has it.

use crate::core::format::Frames;
use crate::core::ledger::EdgeSnapshot;
use crate::engine::session::{self, InputState, InputStatus};
use crate::io::Damage;
use crate::runtime::{Input, InputError};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An [`Input`] that a session starts and stops, and whoever built the flow looks at: clones share it.
///
/// ```
/// use pcmflow::engine::session::{Input as _, InputState};
/// use pcmflow::flow_file::Feed;
/// use pcmflow::io::SynthSpec;
/// use pcmflow::runtime::{Clock, Input, InputConfig};
/// let source = Box::new("silence,seconds=1".parse::<SynthSpec>()?.source()?);
/// let (input, _inflow) = Input::new("tone", source, InputConfig::default(), Clock::start())?;
/// assert_eq!(Feed::new(input).status().state, InputState::Waiting);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Feed(Arc<Mutex<Fed>>);

#[derive(Debug)]
struct Fed {
    input: Input,
    /// What it was told last.
    told: InputState,
}

impl Feed {
    /// Shares an input.
    ///
    /// Not RT-safe: allocates.
    pub fn new(input: Input) -> Self {
        Self(Arc::new(Mutex::new(Fed { input, told: InputState::Waiting })))
    }

    /// Whoever panicked while it was locked left every single change whole.
    fn fed(&self) -> MutexGuard<'_, Fed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks it to end: what the source made is still delivered, and nothing will follow.
    ///
    /// Not RT-safe: a control thread's.
    pub fn end(&self) {
        self.fed().input.end();
    }

    /// Frames that the source made, by its own count.
    ///
    /// Not RT-safe: a control thread's.
    pub fn frames_in(&self) -> Frames {
        self.fed().input.frames_in()
    }

    /// The books of its ring.
    ///
    /// Not RT-safe: a control thread's.
    pub fn ring(&self) -> EdgeSnapshot {
        self.fed().input.ring()
    }

    /// What was wrong with the input, though frames could be had.
    ///
    /// Not RT-safe: locks, and allocates.
    pub fn damage(&self) -> Option<Damage> {
        self.fed().input.damage()
    }

    /// Why it is over, where that is no ordinary end.
    ///
    /// Not RT-safe: locks.
    pub fn error(&self) -> Option<Arc<InputError>> {
        self.fed().input.error()
    }
}

impl session::Input for Feed {
    fn start(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut fed = self.fed();
        let running = fed.input.is_running();
        if running && fed.told == InputState::Stopped {
            return Err("it is at its last read before it stops; start it again in a moment".into());
        }
        if !running {
            fed.input.start()?;
        }
        fed.told = InputState::Running;
        Ok(())
    }

    fn stop(&mut self) {
        let mut fed = self.fed();
        fed.input.stop();
        fed.told = InputState::Stopped;
    }

    fn status(&self) -> InputStatus {
        let mut fed = self.fed();
        let running = fed.input.is_running();
        let error = fed.input.error();
        let state = match fed.told {
            _ if error.is_some() => InputState::Failed,
            // One that was asked to stop may be at its last read yet.
            InputState::Running if !running => InputState::Ended,
            told => told,
        };
        let damage = || fed.input.damage().map(|damage| damage.to_string());
        InputStatus {
            state,
            trouble: error.map(|error| error.to_string()).or_else(damage),
            frames_in: fed.input.frames_in(),
            ring_fill: fed.input.ring().occupancy,
            ring_capacity: fed.input.ring_capacity(),
        }
    }
}
