//! Calls of what others wrote: a panic ends there, and is told as text.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the call came to, or what its panic said. (Where panics don't unwind, as in WebAssembly, they end the program.)
///
/// Whatever the call can reach must be fit for use after a panic, or not be used any more.
pub(crate) fn catching<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let message = text.unwrap_or("a panic without a message").to_owned();
        // What a panic carries may panic again when it is dropped; what that carries is left alone.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(again);
        }
        message
    })
}

#[cfg(all(test, not(pcmflow_loom)))]
mod tests {
    // Clippy's exemption for tests does not reach their helpers.
    #![allow(clippy::panic)]

    use super::*;
    use std::panic::panic_any;

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_any(Fuse);
        }
    }

    struct Fuse;
    impl Drop for Fuse {
        fn drop(&mut self) {
            panic!("nobody drops it");
        }
    }

    #[test]
    fn what_a_panic_says_is_told_and_what_it_carries_does_no_harm() {
        assert_eq!(catching(|| 5), Ok(5));
        let told = |call: fn()| catching(call).unwrap_err();
        assert_eq!(told(|| panic!("a word")), "a word");
        assert_eq!(told(|| panic!("{} words", 2)), "2 words");
        assert_eq!(told(|| panic_any(7)), "a panic without a message");
        assert_eq!(told(|| panic_any(Bomb)), "a panic without a message");
    }
}
