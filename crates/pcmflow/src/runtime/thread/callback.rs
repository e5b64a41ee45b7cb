//! A guard for panics at a callback's edge.
//!
//! A panic that leaves a callback through foreign code aborts the program. [`CallbackGuard::run`] stops it, counts it, and
//! from then on answers "dead" without calling the callback, so that the caller writes silence. Another thread takes
//! what the callback panicked with, and decides whether it may go on.
//!
//! What of it is RT-safe: running a callback that doesn't panic (one atomic load), and not running a dead one. **The panic itself
//! is not**: the panic hook runs first, on the audio thread (std's own locks standard error, prints and may collect a
//! backtrace), the message is allocated, and unwinding takes locks and time by the depth of the stack. One glitch, and
//! then silence: that is what the guard buys. A program that can't bear the hook's printing sets its own
//! ([`std::panic::set_hook`]). Built with `panic = "abort"` there is nothing to catch.

use std::any::Any;
use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What a callback panicked with.
///
/// ```
/// use pcmflow::runtime::thread::callback_guard;
/// let (mut guard, mut watch) = callback_guard();
/// guard.run(|| panic!("no {}", "input"));
/// let caught = watch.take_caught().unwrap();
/// assert_eq!(caught.message(), "no input");
/// let payload = caught.into_payload();
/// assert!(std::thread::spawn(move || std::panic::resume_unwind(payload)).join().is_err());
/// ```
pub struct Caught(Box<dyn Any + Send>);

impl Caught {
    /// The message, where there is one: `panic!` with words.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn message(&self) -> &str {
        let text = self.0.downcast_ref::<&str>().copied();
        text.or_else(|| self.0.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
    }

    /// The payload, for [`resume_unwind`](std::panic::resume_unwind).
    ///
    /// RT-safe: wait-free, no allocation; dropping the payload is not.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.0
    }
}

impl fmt::Debug for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caught").field(&self.message()).finish()
    }
}

/// The callback may run. The slot is empty, and the guard's.
const ALIVE: u8 = 0;
/// The callback panicked. The slot, and what it may hold, is the watch's.
const DEAD: u8 = 1;

struct Shared {
    state: AtomicU8,
    /// Stored by the guard alone.
    panics: AtomicU64,
    /// Belongs to the guard while the state is `ALIVE`, to the watch while it is `DEAD`.
    slot: UnsafeCell<Option<Caught>>,
}

// SAFETY: the slot has one owner at a time, by the state, which is handed over with Release and Acquire; there is one
// guard and one watch, and neither touches the slot while the other owns it. What is in it may be sent.
unsafe impl Sync for Shared {}

/// Makes the guard of one callback, and its watch for another thread.
///
/// Not RT-safe: allocates.
pub fn callback_guard() -> (CallbackGuard, CallbackWatch) {
    let shared = Arc::new(Shared {
        state: AtomicU8::new(ALIVE),
        panics: AtomicU64::new(0),
        slot: UnsafeCell::new(None),
    });
    (CallbackGuard { shared: shared.clone() }, CallbackWatch { shared })
}

/// Runs a callback on the audio thread. Drop it before the [`CallbackWatch`]: the one dropped last frees.
///
/// ```
/// use pcmflow::runtime::thread::callback_guard;
/// let (mut guard, mut watch) = callback_guard();
/// let mut callback = |input: &[f32]| input[2]; // a bug: not every block has three samples
/// assert_eq!(guard.run(|| callback(&[1.0, 2.0, 3.0])), Some(3.0));
/// assert_eq!(guard.run(|| callback(&[1.0])), None);
/// assert_eq!(guard.run(|| callback(&[1.0, 2.0, 3.0])), None, "dead until it is revived");
/// assert_eq!((watch.is_dead(), watch.panics()), (true, 1));
/// assert!(watch.revive().unwrap().message().starts_with("index out of bounds"));
/// assert_eq!(guard.run(|| callback(&[1.0, 2.0, 3.0])), Some(3.0));
/// ```
pub struct CallbackGuard {
    shared: Arc<Shared>,
}

impl CallbackGuard {
    /// Runs `callback`; none when it panicked, now or before: then nothing that it was to fill can be relied on.
    ///
    /// What a panicking callback leaves half done is seen by nobody before [`CallbackWatch::revive`], for the callback
    /// does not run; who revives it answers for its state.
    ///
    /// RT-safe as far as `callback` is, and when it does not run: wait-free, no allocation. A panic is not: see the
    /// module. What it panicked with is not dropped here.
    #[inline]
    pub fn run<T>(&mut self, callback: impl FnOnce() -> T) -> Option<T> {
        // Acquire pairs with the Release in `revive`: the slot is ours again, and empty.
        if self.shared.state.load(Ordering::Acquire) != ALIVE {
            return None;
        }
        match catch_unwind(AssertUnwindSafe(callback)) {
            Ok(value) => Some(value),
            Err(payload) => {
                self.die(payload);
                None
            }
        }
    }

    #[cold]
    fn die(&mut self, payload: Box<dyn Any + Send>) {
        // SAFETY: the state is ALIVE, which only this guard changes: the slot is ours. It is empty, so nothing is dropped.
        unsafe { *self.shared.slot.get() = Some(Caught(payload)) };
        self.shared.panics.store(self.shared.panics.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        // Release hands the slot over, with what is in it.
        self.shared.state.store(DEAD, Ordering::Release);
    }
}

impl fmt::Debug for CallbackGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackGuard").finish_non_exhaustive()
    }
}

/// Sees a callback die, from any thread but the audio thread.
///
/// ```
/// use pcmflow::runtime::thread::callback_guard;
/// let (mut guard, mut watch) = callback_guard();
/// let callback = std::thread::spawn(move || {
///     guard.run(|| panic!("a bug"));
///     guard.run(|| "not run: it is dead")
/// });
/// assert_eq!(callback.join().unwrap(), None);
/// assert_eq!((watch.is_dead(), watch.panics()), (true, 1));
/// assert_eq!(watch.take_caught().unwrap().message(), "a bug");
/// assert!(watch.is_dead(), "until it is revived");
/// ```
pub struct CallbackWatch {
    shared: Arc<Shared>,
}

impl CallbackWatch {
    /// Whether the callback panicked and was not revived.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_dead(&self) -> bool {
        self.shared.state.load(Ordering::Acquire) == DEAD
    }

    /// How often the callback panicked.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn panics(&self) -> u64 {
        self.shared.panics.load(Ordering::Relaxed)
    }

    /// What the callback panicked with; none when it is not dead, or this was asked before. It stays dead.
    ///
    /// Not RT-safe: what it returns frees memory.
    pub fn take_caught(&mut self) -> Option<Caught> {
        if !self.is_dead() {
            return None;
        }
        // SAFETY: the state is DEAD, which only this watch changes, borrowed exclusively: the slot is ours.
        unsafe { (*self.shared.slot.get()).take() }
    }

    /// Lets a dead callback run again. Returns what it panicked with, unless that was taken; none when it is not dead.
    ///
    /// Rebuild what the callback works on first: it may have been left half done.
    ///
    /// Not RT-safe: what it returns frees memory.
    pub fn revive(&mut self) -> Option<Caught> {
        // Asked once: a callback that dies from here on is the next call's.
        if !self.is_dead() {
            return None;
        }
        let caught = self.take_caught();
        // Release hands the slot back, empty, and with it whatever the caller rebuilt.
        self.shared.state.store(ALIVE, Ordering::Release);
        caught
    }
}

impl fmt::Debug for CallbackWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackWatch")
            .field("is_dead", &self.is_dead())
            .field("panics", &self.panics())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::thread;
    use std::time::{Duration, Instant};

    /// Panics without the hook's printing.
    fn die(with: impl Any + Send) {
        std::panic::resume_unwind(Box::new(with));
    }

    #[test]
    fn a_dead_callback_is_not_called_until_it_is_revived() {
        let (mut guard, mut watch) = callback_guard();
        assert_eq!(guard.run(|| 1), Some(1));
        assert!(watch.revive().is_none() && !watch.is_dead() && watch.panics() == 0);
        assert!(guard.run(|| die("first")).is_none());
        let mut called = false;
        assert!(guard.run(|| called = true).is_none());
        assert!(!called && watch.is_dead() && watch.panics() == 1);

        assert_eq!(watch.take_caught().unwrap().message(), "first");
        assert!(watch.take_caught().is_none() && guard.run(|| ()).is_none(), "taking is not reviving");
        assert!(watch.revive().is_none());
        assert_eq!(guard.run(|| 2), Some(2));

        assert!(guard.run(|| die(String::from("second"))).is_none());
        assert_eq!((watch.panics(), watch.revive().unwrap().message()), (2, "second"));
        assert!(guard.run(|| die(3_u8)).is_none());
        let caught = watch.revive().unwrap();
        assert_eq!(caught.message(), "(no message)");
        assert_eq!(caught.into_payload().downcast_ref(), Some(&3_u8));
    }

    /// Whether it was dropped, and on which thread.
    struct Dropped(Arc<AtomicBool>, thread::ThreadId);
    impl Drop for Dropped {
        fn drop(&mut self) {
            assert_ne!(thread::current().id(), self.1, "dropped on the audio thread");
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_payload_is_dropped_by_the_watch() {
        let (mut guard, mut watch) = callback_guard();
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = dropped.clone();
        thread::spawn(move || {
            assert!(guard.run(|| die(Dropped(flag, thread::current().id()))).is_none());
            assert!(guard.run(|| ()).is_none());
        })
        .join()
        .unwrap();
        assert!(watch.is_dead() && !dropped.load(Ordering::Relaxed));
        drop(watch.revive());
        assert!(dropped.load(Ordering::Relaxed));
    }

    #[test]
    fn two_threads_hand_every_payload_over() {
        const PANICS: u64 = 2_000;
        let (mut guard, mut watch) = callback_guard();
        let audio = thread::spawn(move || {
            let mut died = 0;
            while died < PANICS {
                let mut ran = false;
                guard.run(|| {
                    ran = true;
                    die(died);
                });
                died += u64::from(ran);
                thread::yield_now();
            }
        });
        for expected in 0..PANICS {
            let since = Instant::now();
            let caught = loop {
                if let Some(caught) = watch.revive() {
                    break caught;
                }
                assert!(since.elapsed() < Duration::from_secs(20), "never told of panic {expected}");
                thread::yield_now();
            };
            assert_eq!(caught.into_payload().downcast_ref(), Some(&expected));
        }
        audio.join().unwrap();
        assert_eq!((watch.panics(), watch.is_dead()), (PANICS, false));
    }
}
