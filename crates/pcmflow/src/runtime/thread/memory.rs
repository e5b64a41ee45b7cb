//! Memory that is there when audio needs it.
//!
//! The system hands memory out when it is first touched: a page fault, of a microsecond when a page is free and of
//! milliseconds when one has to be made free. It also takes memory away that was not used for long. So what an audio
//! thread touches is touched before ([`fault_in`], [`fault_in_stack`]), and locked where that is granted
//! ([`lock_memory`], [`lock_slice`]).
//!
//! The pool faults its buffers in when it makes them, and a ring's storage is touched in its first lap.
//! [`lock_memory`] reaches both.

use std::ffi::c_void;
use std::mem::MaybeUninit;

/// The smallest page of all systems: with larger ones, some touches are one too many.
const PAGE: usize = 4096;
/// Bytes of a stack that [`fault_in_stack`] leaves alone at its end.
const RESERVE: usize = 64 * 1024;

/// Touches every page of `memory`, so that the first real use costs no page fault. Changes nothing in it.
///
/// For spare capacity of a `Vec` too: `fault_in(vec.spare_capacity_mut())`.
///
/// Not RT-safe: this is where the page faults happen, one in 4 KiB, of 0.1 to 3 µs each.
///
/// ```
/// use pcmflow::runtime::thread::fault_in;
/// let mut delay_line = vec![0.0_f32; 1 << 20]; // 4 MiB that the system has only promised
/// fault_in(&mut delay_line);
/// assert!(delay_line.iter().all(|sample| *sample == 0.0));
/// ```
pub fn fault_in<T>(memory: &mut [T]) {
    let bytes = size_of_val(memory);
    let start: *mut MaybeUninit<u8> = memory.as_mut_ptr().cast();
    // The last byte may lie on a page that no step meets.
    for offset in (0..bytes).step_by(PAGE).chain(bytes.checked_sub(1)) {
        // SAFETY: within the slice, which is borrowed exclusively; the byte is put back as it was, whatever it was.
        // Written, because reading fresh memory maps one page of zeros for all. Volatile, or it would be left out.
        unsafe {
            let byte = start.add(offset);
            byte.write_volatile(byte.read_volatile());
        }
    }
}

/// Touches the next `bytes` of the current thread's stack, so that deep calls cost no page fault later; returns how many
/// bytes it was.
///
/// Never more than the stack has, less 64 KiB; none where the system doesn't say where the stack ends.
///
/// Not RT-safe: this is where the page faults happen. Call it at the thread's start.
///
/// ```
/// use pcmflow::runtime::thread::fault_in_stack;
/// let thread = std::thread::Builder::new().stack_size(1 << 20);
/// let touched = thread.spawn(|| fault_in_stack(256 * 1024))?.join().unwrap();
/// assert!(touched == 0 || touched >= 256 * 1024);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn fault_in_stack(bytes: usize) -> usize {
    let here = 0_u8;
    let here = (&raw const here).addr();
    let Some(end) = system::stack_end() else { return 0 };
    let floor = here.saturating_sub(bytes).max(end.saturating_add(RESERVE));
    if floor >= here {
        return 0;
    }
    here - touch_down(floor).min(here)
}

/// Calls itself until the stack reaches down to `floor`; returns how far it came.
#[inline(never)]
fn touch_down(floor: usize) -> usize {
    // Half a page, so that with whatever else the call needs no page is stepped over.
    let mut frame = [MaybeUninit::<u8>::uninit(); PAGE / 2];
    // SAFETY: our own array. Volatile, or it would be left out.
    unsafe { frame.as_mut_ptr().write_volatile(MaybeUninit::new(0)) };
    let here = frame.as_ptr().addr();
    let reached = if here > floor { touch_down(floor) } else { here };
    // Used after the call, so that the call needs a stack of its own.
    std::hint::black_box(&mut frame);
    reached
}

/// Why memory was not locked.
///
/// ```
/// use pcmflow::runtime::thread::LockError;
/// let error = LockError::NotPermitted { bytes: Some(65_536), limit_bytes: 8192 };
/// assert!(error.to_string().starts_with("locking 65536 bytes is not permitted: RLIMIT_MEMLOCK is 8192 bytes"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The system locks no more memory for this process.
    #[error(
        "locking {bytes_text} is not permitted: RLIMIT_MEMLOCK is {limit_bytes} bytes; raise it (`memlock` in limits.conf, \
         `LimitMEMLOCK=` of a service), or lock less",
        bytes_text = bytes.map_or("all memory".into(), |bytes| format!("{bytes} bytes"))
    )]
    NotPermitted {
        /// What was to be locked; none for everything.
        bytes: Option<usize>,
        /// `RLIMIT_MEMLOCK`: the most that this process may lock without privileges.
        limit_bytes: u64,
    },
    /// A call failed for another reason.
    #[error("{call} failed with the system's error {code}")]
    System {
        /// The call.
        call: &'static str,
        /// The system's number for what went wrong.
        code: i32,
    },
    /// This system has no such call.
    #[error("this system can't lock it")]
    Unsupported,
}

/// Locks all memory that the process has now: faults it in, and keeps the system from taking any of it away.
///
/// Memory that comes later is not locked, on purpose: beyond its limit the system would refuse it, and a program dies of
/// that. So call this when everything is set up. It costs real memory: stacks and heaps are faulted in whole.
/// macOS and Windows have no such call: there, lock single slices.
///
/// Not RT-safe: makes a system call, which may take long.
///
/// # Errors
/// [`LockError::NotPermitted`] names the limit. Nothing is locked then.
pub fn lock_memory() -> Result<(), LockError> {
    system::lock_all()
}

/// Unlocks all memory of the process, slices included.
///
/// Not RT-safe: makes a system call.
pub fn unlock_memory() {
    system::unlock_all();
}

/// Faults the pages of `memory` in, and locks them until they are given back to the system (or
/// [`unlock_memory`]); returns the bytes.
///
/// Whole pages are locked, with what else is on them.
///
/// Not RT-safe: makes a system call.
///
/// ```
/// use pcmflow::runtime::thread::{LockError, lock_slice};
/// let samples = vec![0.0_f32; 4096];
/// match lock_slice(&samples) {
///     Ok(bytes) => assert_eq!(bytes, 16_384),
///     Err(LockError::NotPermitted { limit_bytes, .. }) => eprintln!("only {limit_bytes} bytes may be locked"),
///     Err(error) => eprintln!("{error}"),
/// }
/// ```
///
/// # Errors
/// [`LockError::NotPermitted`] names the limit. None of it is sure to be locked then.
pub fn lock_slice<T>(memory: &[T]) -> Result<usize, LockError> {
    let bytes = size_of_val(memory);
    if bytes > 0 {
        system::lock(memory.as_ptr().cast(), bytes)?;
    }
    Ok(bytes)
}

#[cfg(unix)]
mod system {
    use super::super::limit::limit;
    use super::{LockError, c_void};
    use std::io;

    pub(super) fn lock(start: *const c_void, bytes: usize) -> Result<(), LockError> {
        // SAFETY: locking changes nothing that the program can see.
        let result = unsafe { libc::mlock(start, bytes) };
        if result == 0 { Ok(()) } else { Err(refusal("mlock", Some(bytes))) }
    }

    pub(super) fn lock_all() -> Result<(), LockError> {
        // SAFETY: locking changes nothing that the program can see.
        let result = unsafe { libc::mlockall(libc::MCL_CURRENT) };
        if result == 0 { Ok(()) } else { Err(refusal("mlockall", None)) }
    }

    pub(super) fn unlock_all() {
        // SAFETY: unlocking changes nothing that the program can see.
        unsafe { libc::munlockall() };
    }

    fn refusal(call: &'static str, bytes: Option<usize>) -> LockError {
        let code = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        // SAFETY: the system writes one `struct rlimit`, for which there is room.
        let limit_bytes = limit(|limit| unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, limit) });
        match code {
            libc::ENOSYS => LockError::Unsupported,
            // What Linux says at the limit; others say EAGAIN. Without a limit it means what it says.
            libc::EPERM | libc::ENOMEM | libc::EAGAIN if limit_bytes != u64::MAX => {
                LockError::NotPermitted { bytes, limit_bytes }
            }
            code => LockError::System { call, code },
        }
    }

    /// The lowest address of the current thread's stack that may be used.
    #[cfg(target_os = "linux")]
    pub(super) fn stack_end() -> Option<usize> {
        let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
        // SAFETY: the attributes are written by the first call (0: it succeeded), read by the others, and destroyed once.
        unsafe {
            if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
                return None;
            }
            let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0, 0);
            let known = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut low, &raw mut size) == 0
                && libc::pthread_attr_getguardsize(attributes.as_ptr(), &raw mut guard) == 0;
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            // Whether the guard is part of the stack depends on the C library.
            known.then(|| low.addr().saturating_add(guard))
        }
    }

    #[cfg(target_os = "macos")]
    pub(super) fn stack_end() -> Option<usize> {
        // SAFETY: the current thread exists.
        unsafe {
            let this = libc::pthread_self();
            let top = libc::pthread_get_stackaddr_np(this).addr();
            top.checked_sub(libc::pthread_get_stacksize_np(this))
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    pub(super) fn stack_end() -> Option<usize> {
        None
    }
}

#[cfg(windows)]
mod system {
    use super::{LockError, c_void};
    use std::io;
    use windows_sys::Win32::System::Memory::VirtualLock;
    use windows_sys::Win32::System::Threading::GetCurrentThreadStackLimits;

    pub(super) fn lock(start: *const c_void, bytes: usize) -> Result<(), LockError> {
        // SAFETY: locking changes nothing that the program can see.
        if unsafe { VirtualLock(start, bytes) } != 0 {
            return Ok(());
        }
        let code = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        Err(LockError::System { call: "VirtualLock", code })
    }

    pub(super) fn lock_all() -> Result<(), LockError> {
        Err(LockError::Unsupported)
    }

    pub(super) fn unlock_all() {}

    /// The lowest address of the current thread's stack.
    pub(super) fn stack_end() -> Option<usize> {
        let (mut low, mut high) = (0, 0);
        // SAFETY: writes two numbers, for which there is room.
        unsafe { GetCurrentThreadStackLimits(&raw mut low, &raw mut high) };
        (low != 0).then_some(low)
    }
}

#[cfg(not(any(unix, windows)))]
mod system {
    use super::{LockError, c_void};

    pub(super) fn lock(_: *const c_void, _: usize) -> Result<(), LockError> {
        Err(LockError::Unsupported)
    }

    pub(super) fn lock_all() -> Result<(), LockError> {
        Err(LockError::Unsupported)
    }

    pub(super) fn unlock_all() {}

    pub(super) fn stack_end() -> Option<usize> {
        None
    }
}
