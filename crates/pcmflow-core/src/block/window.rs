//! Window functions: chosen at compile time (a type) or at run time (an enum), tabled once, applied in place.
//!
//! The cosine-sum coefficients are those of F. J. Harris, "On the use of windows for harmonic analysis with the
//! discrete Fourier transform", Proc. IEEE 66(1), 1978. Tables are computed with `libm`, so that they are equal
//! to the bit on every platform.

use super::super::format::FormatError;
use alloc::boxed::Box;
use core::fmt;
use core::str::FromStr;

/// A window function as a type: the choice is made when the program is compiled.
///
/// ```
/// use pcmflow_core::block::{Blackman, WindowFunction, WindowKind};
/// fn kind_of<W: WindowFunction>() -> WindowKind {
///     W::KIND
/// }
/// assert_eq!(kind_of::<Blackman>(), WindowKind::Blackman);
/// ```
pub trait WindowFunction {
    /// The same choice as a value.
    const KIND: WindowKind;
}

/// The Hann window, `0.5 − 0.5 cos`.
///
/// ```
/// use pcmflow_core::block::{Hann, Window, WindowSymmetry};
/// assert_eq!(Window::of::<Hann>(4, WindowSymmetry::Periodic).weights(), [0.0, 0.5, 1.0, 0.5]);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Hann;
/// The Hamming window, `0.54 − 0.46 cos`: the default.
///
/// ```
/// use pcmflow_core::block::{Hamming, Window, WindowSymmetry};
/// let window = Window::of::<Hamming>(4, WindowSymmetry::Periodic);
/// assert!((window.weights()[0] - 0.08).abs() < 1e-6); // does not go down to 0
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Hamming;
/// The Blackman window, `0.42 − 0.5 cos + 0.08 cos 2`.
///
/// ```
/// use pcmflow_core::block::{Blackman, Window, WindowSymmetry};
/// let window = Window::of::<Blackman>(4, WindowSymmetry::Periodic);
/// assert!((window.weights()[1] - 0.34).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Blackman;

impl WindowFunction for Hann {
    const KIND: WindowKind = WindowKind::Hann;
}
impl WindowFunction for Hamming {
    const KIND: WindowKind = WindowKind::Hamming;
}
impl WindowFunction for Blackman {
    const KIND: WindowKind = WindowKind::Blackman;
}

/// A window function as a value: the choice is made at run time.
///
/// ```
/// use pcmflow_core::block::WindowKind;
/// assert_eq!("blackman".parse(), Ok(WindowKind::Blackman));
/// assert_eq!(WindowKind::default().to_string(), "hamming");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// See [`Hann`].
    Hann,
    /// See [`Hamming`].
    #[default]
    Hamming,
    /// See [`Blackman`].
    Blackman,
}

impl WindowKind {
    /// Every kind with its name.
    pub const ALL: [(&'static str, WindowKind); 3] =
        [("hann", Self::Hann), ("hamming", Self::Hamming), ("blackman", Self::Blackman)];

    /// The weight at `phase`, which runs from 0 to 1 over the window.
    fn weight(self, phase: f64) -> f64 {
        let cos = |k: f64| libm::cos(core::f64::consts::TAU * k * phase);
        match self {
            Self::Hann => 0.5 - 0.5 * cos(1.0),
            Self::Hamming => 0.54 - 0.46 * cos(1.0),
            Self::Blackman => 0.42 - 0.5 * cos(1.0) + 0.08 * cos(2.0),
        }
    }
}

impl FromStr for WindowKind {
    type Err = FormatError;
    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::ALL
            .iter()
            .find_map(|(name, kind)| (*name == text).then_some(*kind))
            .ok_or(FormatError::UnknownWindow)
    }
}

impl fmt::Display for WindowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hann => "hann",
            Self::Hamming => "hamming",
            Self::Blackman => "blackman",
        })
    }
}

/// Whether a window ends where it began or one sample before.
///
/// ```
/// use pcmflow_core::block::{Window, WindowKind, WindowSymmetry};
/// let weights = |symmetry| Window::new(WindowKind::Hann, 3, symmetry).weights().to_vec();
/// assert_eq!(weights(WindowSymmetry::Symmetric), [0.0, 1.0, 0.0]);
/// assert!(weights(WindowSymmetry::Periodic)[2] > 0.7);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum WindowSymmetry {
    /// `w[n] = w[len − 1 − n]`: for filter design.
    Symmetric,
    /// One period of an endless cosine: for spectra.
    #[default]
    Periodic,
}

/// A table of weights.
///
/// ```
/// use pcmflow_core::block::{Hann, Window, WindowKind, WindowSymmetry};
/// let at_compile_time = Window::of::<Hann>(4, WindowSymmetry::Periodic);
/// let at_run_time = Window::new(WindowKind::Hann, 4, WindowSymmetry::Periodic);
/// assert_eq!(at_compile_time, at_run_time);
/// let mut block = [2.0; 4];
/// at_run_time.apply(&mut block);
/// assert_eq!(block, [0.0, 1.0, 2.0, 1.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    kind: WindowKind,
    weights: Box<[f32]>,
}

impl Window {
    /// Tables `len` weights of `kind`.
    ///
    /// Not RT-safe: allocates.
    pub fn new(kind: WindowKind, len: usize, symmetry: WindowSymmetry) -> Self {
        let period = match symmetry {
            WindowSymmetry::Symmetric => len.saturating_sub(1),
            WindowSymmetry::Periodic => len,
        };
        // A window of one sample has no slope: its weight is that of the middle.
        let weights = (0..len)
            .map(|n| if period == 0 { 1.0 } else { kind.weight(n as f64 / period as f64) as f32 })
            .collect();
        Self { kind, weights }
    }

    /// Tables `len` weights of the window function `W`.
    ///
    /// Not RT-safe: allocates.
    pub fn of<W: WindowFunction>(len: usize, symmetry: WindowSymmetry) -> Self {
        Self::new(W::KIND, len, symmetry)
    }

    /// Which function this is.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn kind(&self) -> WindowKind {
        self.kind
    }

    /// The weights.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Multiplies `samples` by the weights, in place; what is beyond the shorter of both is left alone.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn apply(&self, samples: &mut [f32]) {
        for (sample, weight) in samples.iter_mut().zip(&self.weights) {
            *sample *= weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn known_values() {
        let middle = |kind| Window::new(kind, 5, WindowSymmetry::Symmetric);
        for kind in [WindowKind::Hann, WindowKind::Hamming, WindowKind::Blackman] {
            let window = middle(kind);
            let w = window.weights();
            assert!((w[2] - 1.0).abs() < 1e-6, "{kind} peaks in the middle");
            assert!((w[0] - w[4]).abs() < 1e-7 && (w[1] - w[3]).abs() < 1e-7, "{kind} is symmetric");
        }
        assert!(middle(WindowKind::Hann).weights()[0].abs() < 1e-7);
        assert!((middle(WindowKind::Hamming).weights()[0] - 0.08).abs() < 1e-7);
        assert!((middle(WindowKind::Blackman).weights()[1] - 0.34).abs() < 1e-7);
    }

    #[test]
    fn hann_halves_of_a_periodic_window_add_to_one() {
        let window = Window::of::<Hann>(64, WindowSymmetry::Periodic);
        for n in 0..32 {
            assert!((window.weights()[n] + window.weights()[n + 32] - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn degenerate_lengths() {
        for symmetry in [WindowSymmetry::Symmetric, WindowSymmetry::Periodic] {
            assert!(Window::new(WindowKind::Hann, 0, symmetry).weights().is_empty());
        }
        assert_eq!(Window::new(WindowKind::Hann, 1, WindowSymmetry::Symmetric).weights(), [1.0]);
        let mut longer = [1.0; 3];
        Window::new(WindowKind::Hann, 2, WindowSymmetry::Periodic).apply(&mut longer);
        assert_eq!(longer, [0.0, 1.0, 1.0]);
    }

    #[test]
    fn names() {
        assert_eq!(WindowKind::default(), WindowKind::Hamming);
        for (name, kind) in WindowKind::ALL {
            assert_eq!(name.parse(), Ok(kind));
            assert_eq!(kind.to_string(), name);
        }
        assert!("kaiser".parse::<WindowKind>().is_err());
    }
}
