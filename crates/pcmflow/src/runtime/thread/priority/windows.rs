//! Windows: the multimedia class scheduler service (MMCSS).

use super::{Granted, RealTime, Refusal, Scheduling};
use std::io;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Threading::{
    AvRevertMmThreadCharacteristics, AvSetMmThreadCharacteristicsW, GetCurrentThread, GetThreadPriority,
};

/// Registers the thread with the service as long as it is held.
#[derive(Debug)]
pub(super) struct Before(HANDLE);

/// What `GetThreadPriority` returns for failure.
const ERROR_RETURN: i32 = i32::MAX;

pub(super) fn raise(_: RealTime) -> (Granted, Option<Before>) {
    let task: Vec<u16> = "Pro Audio\0".encode_utf16().collect();
    let mut index = 0;
    // SAFETY: the name ends with a zero, and there is room for the index.
    let handle = unsafe { AvSetMmThreadCharacteristicsW(task.as_ptr(), &raw mut index) };
    if handle.is_null() {
        let code = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        let why = Refusal::System { call: "AvSetMmThreadCharacteristics", code };
        return (Granted::Nothing { why }, None);
    }
    (Granted::ProAudio, Some(Before(handle)))
}

pub(super) fn restore(before: &Before) {
    // SAFETY: the handle came from the service, for this thread, and is given back once.
    unsafe { AvRevertMmThreadCharacteristics(before.0) };
}

pub(super) fn scheduling() -> Scheduling {
    // SAFETY: takes and returns plain numbers.
    match unsafe { GetThreadPriority(GetCurrentThread()) } {
        ERROR_RETURN => Scheduling::Unknown,
        priority => Scheduling::Priority(priority),
    }
}
