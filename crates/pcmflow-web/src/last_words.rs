//! What a panic says, kept where it can be read after the trap: no memory is taken for it.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Room for a message of so many bytes.
const BYTES: usize = 1_024;

/// The message of a panic.
///
/// ```
/// use pcmflow_web::LastWords;
/// static WORDS: LastWords = LastWords::new();
/// WORDS.keep(format_args!("index {} of {}", 3, 2));
/// WORDS.keep(format_args!("a later one, which the first one caused"));
/// assert_eq!(WORDS.bytes(), b"index 3 of 2");
/// ```
#[derive(Debug)]
pub struct LastWords {
    bytes: [AtomicU8; BYTES],
    length: AtomicUsize,
    /// So that threads that panic at a time don't mix their words.
    taken: AtomicUsize,
}

impl LastWords {
    /// Without words.
    pub const fn new() -> Self {
        let (length, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { bytes: [const { AtomicU8::new(0) }; BYTES], length, taken }
    }

    /// Keeps the first message, as much of it as fits.
    pub fn keep(&self, message: fmt::Arguments<'_>) {
        struct Words<'a>(&'a LastWords, usize);
        impl Write for Words<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for byte in text.bytes() {
                    let Some(place) = self.0.bytes.get(self.1) else { return Err(fmt::Error) };
                    place.store(byte, Ordering::Relaxed);
                    self.1 += 1;
                }
                Ok(())
            }
        }
        if self.taken.swap(1, Ordering::Relaxed) != 0 {
            return;
        }
        let mut words = Words(self, 0);
        // What does not fit is left out.
        let _ = words.write_fmt(message);
        self.length.store(words.1, Ordering::Release);
    }

    /// The message; empty where there was no panic.
    pub fn bytes(&self) -> Vec<u8> {
        let length = self.length();
        self.bytes.iter().take(length).map(|byte| byte.load(Ordering::Relaxed)).collect()
    }

    /// Its length in bytes.
    pub fn length(&self) -> usize {
        self.length.load(Ordering::Acquire)
    }

    /// Where it stands.
    pub fn place(&self) -> *const u8 {
        self.bytes.as_ptr().cast()
    }
}

impl Default for LastWords {
    fn default() -> Self {
        Self::new()
    }
}
