//! The platform: what this machine truly gives to this process, and the settings that follow.
//!
//! A [`PlatformProbe`] finds out; the engine knows no system, so whoever drives it brings one. What it found is a [`Platform`]:
//! plain data, where what could not be found out says so. From there on decisions are pure: [`PlatformSettings::of`] says what
//! follows, [`Platform::changes_since`] what is no longer as it was, as events to be published. The [`PlatformModule`] probes
//! when the program is initialised, says in its health what is missing, and shares what it found by a [`PlatformHandle`].
//!
//! A right counts as there when it was exercised, where that can be done and undone: a thread was started, a priority raised. Limits
//! are what the system says they are.
//!
//! Nothing here looks by itself: affinity, control groups and limits change without notice, so whoever wants to know probes
//! again ([`PlatformHandle::probe`]). Devices tell of themselves, and are not here.

mod change;
mod found;
mod module;
mod settings;
#[cfg(test)]
mod tests;

pub use change::PlatformFact;
pub use found::{Cores, Limit, Memory, Platform, RealTimeRight, SchedulingRights};
pub use module::{PlatformHandle, PlatformModule};
pub use settings::PlatformSettings;

/// Finds out what the platform gives. One probe for each kind of platform.
///
/// ```
/// use pcmflow_engine::platform::{Platform, PlatformProbe};
/// #[derive(Debug)]
/// struct Known(Platform);
/// impl PlatformProbe for Known {
///     fn probe(&self) -> Platform {
///         self.0.clone()
///     }
/// }
/// let nothing = Known(Platform::default()).probe();
/// assert_eq!(nothing.cores.logical, None, "not known");
/// ```
pub trait PlatformProbe: core::fmt::Debug + Send + Sync {
    /// Looks now. It can't fail: what can't be found out is left unknown.
    ///
    /// Not RT-safe: may read files, start threads and make system calls, for some milliseconds.
    fn probe(&self) -> Platform;
}
