//! The raw exports, for the host: see `web/` for what calls them.
//!
//! The control side is one thread, the Worker's: it alone calls everything but [`pcmflow_push`] and [`pcmflow_pushed`]. What it holds is
//! that thread's own, so that a call from another finds nothing and disturbs nothing.

use crate::{Capture, LastWords, MESSAGE_BYTES_MAX, WebEngine, WebError};
use std::alloc::{Layout, alloc_zeroed};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The version of this contract.
const ABI: u32 = 1;
/// Captures of streams that are over and yet may be pushed into: a worklet may learn late that its stream is.
const CAPTURES_KEPT: usize = 16;
/// What stands at the end of a thread's stack.
const CANARY: [u32; 4] = [0x7063_6d66, 0x6c6f_7721, 0x7063_6d66, 0x6c6f_7721];
/// Room for a thread's own variables, and its alignment; the build is checked against it.
const TLS_BYTES: usize = 4_096;
const TLS_ALIGN: usize = 64;
/// The least stack of a thread, and the most.
const STACK_BYTES: (u32, u32) = (16 << 10, 16 << 20);

static LAST_WORDS: LastWords = LastWords::new();

/// What the control side has.
#[derive(Default)]
struct Control {
    engine: Option<WebEngine>,
    /// The latest, and those before it.
    captures: VecDeque<Arc<Capture>>,
    message: Vec<u8>,
    answer: Vec<u8>,
}

thread_local! {
    static CONTROL: RefCell<Control> = const {
        RefCell::new(Control { engine: None, captures: VecDeque::new(), message: Vec::new(), answer: Vec::new() })
    };
}

impl Control {
    /// The message of so many bytes that the host wrote.
    fn message(&self, length: u32) -> Result<String, WebError> {
        let bytes =
            self.message.get(..length as usize).ok_or(WebError::TooLong { bytes: length as usize })?;
        // What is no text is no JSON either, and is refused as such.
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn engine(&mut self) -> Result<&mut WebEngine, WebError> {
        self.engine.as_mut().ok_or(WebError::NotOpen)
    }
}

/// Answers: the bytes of the answer, or less than 0 for those of an error.
fn answer(work: impl FnOnce(&mut Control) -> Result<String, WebError>) -> i32 {
    CONTROL.with_borrow_mut(|control| {
        let (text, sign) = match work(control) {
            Ok(text) => (text, false),
            Err(error) => (error.to_json(), true),
        };
        control.answer = text.into_bytes();
        // No answer is 2 GiB long: that is half of all memory there is.
        let length = control.answer.len() as i32;
        if sign { -(length + 1) } else { length }
    })
}

/// The version of this contract.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_abi() -> u32 {
    ABI
}

/// Room for the next message, until the next call of this. A message that is too long gets none: 0.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_in(length: u32) -> *mut u8 {
    CONTROL.with_borrow_mut(|control| {
        if length as usize > MESSAGE_BYTES_MAX {
            control.message.clear();
            return std::ptr::null_mut();
        }
        control.message.clear();
        control.message.resize(length as usize, 0);
        control.message.as_mut_ptr()
    })
}

/// Where the last answer stands, until the next one.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_out() -> *const u8 {
    CONTROL.with_borrow(|control| control.answer.as_ptr())
}

/// [`WebEngine::open`]; answers `{}`.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_open(length: u32) -> i32 {
    std::panic::set_hook(Box::new(|panic| LAST_WORDS.keep(format_args!("{panic}"))));
    answer(|control| {
        if control.engine.is_some() {
            return Err(WebError::IsOpen);
        }
        control.engine = Some(WebEngine::open(&control.message(length)?)?);
        Ok("{}".to_owned())
    })
}

/// [`WebEngine::stream`]; answers `{"capture":PTR,"channels":[PTR,…],"capacity_frames":N}`.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_stream(length: u32) -> i32 {
    answer(|control| {
        let message = control.message(length)?;
        let capture = control.engine()?.stream(&message)?;
        let address = |pointer: *const AtomicU32| pointer as usize;
        let channels = (0..capture.format().channels.get()).filter_map(|channel| capture.plane(channel));
        let channels: Vec<usize> = channels.map(|plane| address(plane.as_ptr())).collect();
        let (place, capacity_frames) = (Arc::as_ptr(&capture) as usize, capture.capacity().0);
        control.captures.push_back(capture);
        if control.captures.len() > CAPTURES_KEPT {
            control.captures.pop_front();
        }
        let answer = serde_json::json!({
            "capture": place, "channels": channels, "capacity_frames": capacity_frames,
        });
        Ok(answer.to_string())
    })
}

/// [`WebEngine::stream_end`]; answers `{}`.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_stream_end() -> i32 {
    answer(|control| {
        control.engine()?.stream_end();
        Ok("{}".to_owned())
    })
}

/// [`WebEngine::poll`]; an hour where nothing is open.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_poll(now_ms: f64) -> f64 {
    CONTROL
        .with_borrow_mut(|control| control.engine.as_mut().map_or(3_600_000.0, |engine| engine.poll(now_ms)))
}

/// [`WebEngine::events`].
#[unsafe(no_mangle)]
extern "C" fn pcmflow_events() -> i32 {
    answer(|control| Ok(control.engine()?.events()))
}

/// [`WebEngine::snapshot`].
#[unsafe(no_mangle)]
extern "C" fn pcmflow_snapshot() -> i32 {
    answer(|control| Ok(control.engine()?.snapshot()))
}

/// [`WebEngine::command`].
#[unsafe(no_mangle)]
extern "C" fn pcmflow_command(length: u32) -> i32 {
    answer(|control| {
        let message = control.message(length)?;
        control.engine()?.command(&message)
    })
}

/// [`WebEngine::configure`].
#[unsafe(no_mangle)]
extern "C" fn pcmflow_config(length: u32) -> i32 {
    answer(|control| {
        let message = control.message(length)?;
        control.engine()?.configure(&message)
    })
}

/// [`WebEngine::close`]: another can be opened then.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_close() -> i32 {
    answer(|control| Ok(control.engine.take().ok_or(WebError::NotOpen)?.close()))
}

/// [`Capture::push`], with what `pcmflow_stream` answered as `capture`. On the audio thread, or on the control side.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_push(capture: *const Capture, frames: u32, audio_ms: f64) -> u32 {
    // SAFETY: the host passes on what `pcmflow_stream` answered, within the next 16 streams, as the contract says: until then
    // `captures` keeps it alive. A `Capture` is shared between threads as it is (`Sync`), and only borrowed here.
    let capture = unsafe { capture.as_ref() };
    capture.map_or(0, |capture| capture.push(frames, audio_ms))
}

/// [`Capture::pushed`].
#[unsafe(no_mangle)]
extern "C" fn pcmflow_pushed(capture: *const Capture) -> f64 {
    // SAFETY: as for `pcmflow_push`.
    let capture = unsafe { capture.as_ref() };
    capture.map_or(0.0, |capture| capture.pushed() as f64)
}

/// Memory of a thread that the host starts: its stack, at whose far end stands the canary, and its own variables.
#[repr(C)]
struct Thread {
    /// Of the stack's lowest words.
    canary: *const [AtomicU32; CANARY.len()],
    stack_top: usize,
    tls: usize,
}

/// Memory for another thread: see `pcmflow_thread_stack` and `pcmflow_thread_tls`. It is never given back, as nobody knows when a
/// worklet's thread is over: a host that rebuilds its worklet uses it again. 0 where it can't be had.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_thread(stack_bytes: u32) -> *const u8 {
    let stack_bytes = stack_bytes.clamp(STACK_BYTES.0, STACK_BYTES.1).next_multiple_of(16) as usize;
    let Ok(layout) = Layout::from_size_align(stack_bytes + TLS_BYTES, TLS_ALIGN) else {
        return std::ptr::null();
    };
    // SAFETY: the layout is not empty.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        return std::ptr::null();
    }
    // The variables stand first, where they are aligned; the stack grows down towards them, and meets the canary before.
    let canary: *const [AtomicU32; CANARY.len()] = memory.wrapping_add(TLS_BYTES).cast();
    // SAFETY: it lies within the memory that was just allocated, which is zeroed, aligned to 64 bytes, and never freed.
    for (word, value) in unsafe { &*canary }.iter().zip(CANARY) {
        word.store(value, Ordering::Relaxed);
    }
    let stack_top = memory as usize + TLS_BYTES + stack_bytes;
    let thread = Box::new(Thread { canary, stack_top, tls: memory as usize });
    Box::into_raw(thread).cast()
}

/// Where the thread's stack begins, from where it grows down.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_thread_stack(thread: *const u8) -> usize {
    // SAFETY: the host passes on what `pcmflow_thread` returned, which is never freed.
    unsafe { thread.cast::<Thread>().as_ref() }.map_or(0, |thread| thread.stack_top)
}

/// Where its own variables go, for `__wasm_init_tls`.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_thread_tls(thread: *const u8) -> usize {
    // SAFETY: as for `pcmflow_thread_stack`.
    unsafe { thread.cast::<Thread>().as_ref() }.map_or(0, |thread| thread.tls)
}

/// 1 while the canary at the end of its stack is whole.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_thread_ok(thread: *const u8) -> u32 {
    // SAFETY: as for `pcmflow_thread_stack`; the canary lies in memory that is never freed either.
    let words = unsafe { thread.cast::<Thread>().as_ref().map(|thread| &*thread.canary) };
    let whole = words.is_some_and(|words| {
        words.iter().zip(CANARY).all(|(word, value)| word.load(Ordering::Relaxed) == value)
    });
    whole.into()
}

/// The bytes of what a panic said before it trapped; 0 where there was none.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_panic() -> i32 {
    LAST_WORDS.length() as i32
}

/// Where it stands.
#[unsafe(no_mangle)]
extern "C" fn pcmflow_panic_text() -> *const u8 {
    LAST_WORDS.place()
}
