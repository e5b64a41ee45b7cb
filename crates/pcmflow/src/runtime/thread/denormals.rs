//! Denormals: numbers so small (below 1.2e-38) that processors compute with them slower: three times slower on a Zen 4, far
//! more on others.
//!
//! They come up where a feedback loop rings out: a filter, an echo, a meter that falls. There are two ways out.
//! [`flush_denormals`] is plain arithmetic on the state of such a loop, once per block. [`FlushDenormals`] tells the
//! processor to take them for zero.

use std::marker::PhantomData;

/// Replaces denormals by zero. For the state of a feedback loop, once in a block; works everywhere.
///
/// RT-safe: wait-free, no allocation.
///
/// ```
/// use pcmflow::runtime::thread::flush_denormals;
/// let mut state = [1.0, f32::MIN_POSITIVE, f32::MIN_POSITIVE / 2.0, -1e-40];
/// flush_denormals(&mut state);
/// assert_eq!(state, [1.0, f32::MIN_POSITIVE, 0.0, 0.0]);
/// ```
pub fn flush_denormals(samples: &mut [f32]) {
    for sample in samples {
        // Written so that it compiles to a comparison and a mask, with no branch.
        *sample = if sample.abs() < f32::MIN_POSITIVE { 0.0 } else { *sample };
    }
}

/// As long as it is held, the current thread's processor takes denormals for zero: those that come in (DAZ) and those that
/// would come out (FTZ). Restores what was set before when it is dropped.
///
/// Threads that are started meanwhile may begin with the same mode (on Linux they do): start them before.
///
/// On x86-64 (MXCSR) and AArch64 (FPCR). Elsewhere it does nothing; [`is_active`](Self::is_active) says so.
///
/// ```
/// use pcmflow::runtime::thread::FlushDenormals;
/// // SAFETY: the result is used as "zero, or very near", whichever mode it was computed in.
/// let flush = unsafe { FlushDenormals::new() };
/// let tail = std::hint::black_box(1e-30_f32) * std::hint::black_box(1e-10_f32);
/// assert!(tail == 0.0 || !flush.is_active());
/// ```
#[derive(Debug)]
pub struct FlushDenormals {
    before: mode::Word,
    /// The mode is the current thread's: the guard may not be sent to another.
    _this_thread: PhantomData<*const ()>,
}

impl FlushDenormals {
    /// Whether this processor can be told.
    pub const SUPPORTED: bool = mode::SUPPORTED;

    /// Sets the mode.
    ///
    /// RT-safe: wait-free, no allocation, no system call; 20 ns with the drop. Hold it around a whole callback rather than
    /// around each loop.
    ///
    /// # Safety
    /// - Rust promises nothing about floating point in any mode but the default one: the compiler takes the mode for
    ///   unchanged, may move arithmetic over this call and over the drop, and may compute constants ahead in the default
    ///   mode. That is harmless only where a denormal and zero are equally good *for every* floating-point result of
    ///   this thread while the guard is held, in code that calls no function which relies on denormals (printing and
    ///   parsing numbers, `libm`).
    /// - Guards of one thread are dropped in the reverse order of their making.
    #[must_use = "dropping it restores the mode"]
    pub unsafe fn new() -> Self {
        let before = mode::get();
        // SAFETY: nothing but the two bits changes; the rest is the caller's promise.
        unsafe { mode::set(before | mode::FLUSH) };
        Self { before, _this_thread: PhantomData }
    }

    /// Whether denormals are flushed on this thread now. False where the processor can't be told.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_active(&self) -> bool {
        mode::get() & mode::FLUSH == mode::FLUSH
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        // Only our bits: exceptions that were flagged meanwhile stay flagged.
        let others = mode::get() & !mode::FLUSH;
        // SAFETY: the mode that was set before.
        unsafe { mode::set(others | (self.before & mode::FLUSH)) };
    }
}

#[cfg(target_arch = "x86_64")]
mod mode {
    use std::arch::asm;

    pub(super) type Word = u32;
    pub(super) const SUPPORTED: bool = true;
    /// FTZ is bit 15, DAZ bit 6, which every 64-bit processor has.
    pub(super) const FLUSH: Word = 1 << 15 | 1 << 6;

    pub(super) fn get() -> Word {
        let mut word: Word = 0;
        // SAFETY: stores the control register into `word`, and changes nothing else.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
        word
    }

    /// # Safety
    /// `word` is what `get` returned, but for the bits of `FLUSH`; and as in `FlushDenormals::new`.
    pub(super) unsafe fn set(word: Word) {
        // SAFETY: no reserved bit is set, as our caller says. Not `nomem`: loads and stores stay on their side.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags)) };
    }
}

#[cfg(target_arch = "aarch64")]
mod mode {
    use std::arch::asm;

    pub(super) type Word = u64;
    pub(super) const SUPPORTED: bool = true;
    /// FZ, both ways.
    pub(super) const FLUSH: Word = 1 << 24;

    pub(super) fn get() -> Word {
        let word: Word;
        // SAFETY: reads the control register, and changes nothing.
        unsafe { asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack, preserves_flags)) };
        word
    }

    /// # Safety
    /// `word` is what `get` returned, but for the bits of `FLUSH`; and as in `FlushDenormals::new`.
    pub(super) unsafe fn set(word: Word) {
        // SAFETY: no reserved bit is set, as our caller says. Not `nomem`: loads and stores stay on their side.
        unsafe { asm!("msr fpcr, {}", in(reg) word, options(nostack, preserves_flags)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod mode {
    pub(super) type Word = u32;
    pub(super) const SUPPORTED: bool = false;
    /// A bit that is never set.
    pub(super) const FLUSH: Word = 1;

    pub(super) fn get() -> Word {
        0
    }

    /// # Safety
    /// None here; as on other processors.
    pub(super) unsafe fn set(_: Word) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    /// Never computed ahead of time, and never moved.
    #[inline(never)]
    fn product(a: f32, b: f32) -> f32 {
        black_box(black_box(a) * black_box(b))
    }

    const TINY: f32 = 1e-40;

    #[test]
    fn a_denormal_is_flushed_inside_and_not_outside() {
        assert_ne!(product(1e-30, 1e-10), 0.0);
        assert_ne!(product(TINY, 1e10), 0.0);
        let (go, gone) = std::sync::mpsc::channel();
        let other = std::thread::spawn(move || {
            gone.recv().unwrap();
            product(1e-30, 1e-10)
        });
        // SAFETY: the numbers are only compared with zero.
        let flush = unsafe { FlushDenormals::new() };
        let (made, taken, normal) = (product(1e-30, 1e-10), product(TINY, 1e10), product(1e-30, 1e-7));
        let active = flush.is_active();
        // A thread that was there before is not concerned.
        go.send(()).unwrap();
        let elsewhere = other.join().unwrap();
        drop(flush);
        assert_eq!(active, FlushDenormals::SUPPORTED);
        assert_eq!(made == 0.0, FlushDenormals::SUPPORTED, "what would come out");
        assert_eq!(taken == 0.0, FlushDenormals::SUPPORTED, "what comes in");
        assert_ne!(normal, 0.0);
        assert_ne!(elsewhere, 0.0);
        assert_ne!(product(1e-30, 1e-10), 0.0, "restored");
        assert_ne!(product(TINY, 1e10), 0.0, "restored");
    }

    #[test]
    fn guards_nest_and_a_panic_restores() {
        // SAFETY: the numbers are only compared with zero.
        let outer = unsafe { FlushDenormals::new() };
        // SAFETY: as above.
        drop(unsafe { FlushDenormals::new() });
        assert_eq!(product(TINY, 1e10) == 0.0, FlushDenormals::SUPPORTED, "still the outer one's");
        drop(outer);
        let panicked = std::panic::catch_unwind(|| {
            // SAFETY: nothing is computed.
            let _flush = unsafe { FlushDenormals::new() };
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.is_err());
        assert_ne!(product(TINY, 1e10), 0.0);
    }

    #[test]
    fn by_hand_nothing_but_denormals_is_changed() {
        let mut numbers = [0.0, -0.0, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, 1.0, f32::INFINITY];
        let before = numbers.map(f32::abs);
        flush_denormals(&mut numbers);
        assert_eq!(numbers.map(f32::abs), before);
        let mut nan = [f32::NAN, f32::from_bits(1), -f32::from_bits(0x007f_ffff)];
        flush_denormals(&mut nan);
        assert!(nan[0].is_nan() && nan[1..] == [0.0, 0.0]);
    }
}
