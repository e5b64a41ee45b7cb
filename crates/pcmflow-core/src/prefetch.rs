//! Asking the processor for cache lines before they are needed.

/// The smallest line that processors hand from core to core.
pub(crate) const LINE: usize = 64;

/// A function that gives one instruction, of x86 or of Arm, for each line of `bytes` bytes from `start`.
macro_rules! prefetch {
    ($(#[$docs:meta])* $name:ident, $x86:literal, $arm:literal) => {
        $(#[$docs])*
        #[inline(always)]
        pub(crate) fn $name(start: *const u8, bytes: usize) {
            for offset in (0..bytes).step_by(LINE) {
                let at = start.wrapping_add(offset);
                #[cfg(all(target_arch = "x86_64", not(miri)))]
                // SAFETY: a prefetch accesses no memory, whatever the address; processors that don't know it do nothing.
                unsafe {
                    core::arch::asm!($x86, in(reg) at, options(nostack, preserves_flags, readonly));
                }
                #[cfg(all(target_arch = "aarch64", not(miri)))]
                // SAFETY: as above.
                unsafe {
                    core::arch::asm!($arm, in(reg) at, options(nostack, preserves_flags, readonly));
                }
                #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
                let _ = at;
            }
        }
    };
}

prefetch! {
    /// Asks for the lines of `bytes` bytes from `start`, to be written soon. Only a hint: nothing is read or written, and no address
    /// is wrong.
    ///
    /// In assembly, as the stable intrinsic becomes a prefetch for *reading* where the compiler may not assume any particular x86:
    /// the line then comes shared, and has to be asked for again when it is written.
    prefetch_to_write, "prefetchw [{}]", "prfm pstl1keep, [{}]"
}

prefetch! {
    /// Asks for the lines of `bytes` bytes from `start`, to be read soon. Only a hint, as [`prefetch_to_write`].
    prefetch_to_read, "prefetcht0 [{}]", "prfm pldl1keep, [{}]"
}
