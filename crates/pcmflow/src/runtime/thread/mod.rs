//! What a thread that handles audio asks of the system, and what it got.
//!
//! | call | when | what |
//! | --- | --- | --- |
//! | [`RealTime::raise`] | at the thread's start | real-time scheduling where the system grants it, and what was granted |
//! | [`fault_in_stack`], [`fault_in`] | before audio starts | the thread's first use of its memory costs no page fault |
//! | [`lock_memory`], [`lock_slice`] | after set-up | the system may not take the memory away again |
//! | [`FlushDenormals`] | around a callback's work | tiny numbers cost no more than others |
//! | [`callback_guard`] | at a callback's edge | a panic ends the callback and not the program |
//!
//! Nothing here happens behind anybody's back: [`Threads`](super::Threads) ask for a priority where their
//! configuration says so, and do nothing else of it. Who runs the threads knows whether they are worth it, and whose code computes
//! on them.
//!
//! ```
//! use pcmflow::runtime::thread::{Granted, RealTime, callback_guard, fault_in_stack};
//! use std::time::Duration;
//!
//! let (mut guard, mut watch) = callback_guard();
//! let audio = std::thread::spawn(move || {
//!     // 128 frames at 48 kHz: the callback comes every 2.7 ms.
//!     let raised = RealTime::every(Duration::from_micros(2667)).raise();
//!     if let Granted::Nothing { why } = raised.granted() {
//!         eprintln!("no real-time priority: {why}");
//!     }
//!     fault_in_stack(256 * 1024);
//!     let mut output = [1.0; 128];
//!     if guard.run(|| panic!("a bug in an effect")).is_none() {
//!         output.fill(0.0); // silence, from now on
//!     }
//!     assert!(guard.run(|| ()).is_none());
//!     output
//! });
//! assert_eq!(audio.join().unwrap(), [0.0; 128]);
//! assert_eq!(watch.revive().unwrap().message(), "a bug in an effect");
//! ```

mod callback;
mod denormals;
#[cfg(unix)]
mod limit;
mod memory;
mod priority;

#[cfg(unix)]
pub(super) use limit::limit;
#[cfg(target_os = "linux")]
pub(super) use priority::nice_min;

pub use callback::{CallbackGuard, CallbackWatch, Caught, callback_guard};
pub use denormals::{FlushDenormals, flush_denormals};
pub use memory::{LockError, fault_in, fault_in_stack, lock_memory, lock_slice, unlock_memory};
pub use priority::{Granted, RealTime, RealTimeGuard, Refusal, Scheduling, scheduling};
