//! Windows.

use crate::engine::platform::{Cores, Limit, Memory};
use windows_sys::Win32::System::SystemInformation::{
    GetSystemInfo, GlobalMemoryStatusEx, MEMORYSTATUSEX, SYSTEM_INFO,
};
use windows_sys::Win32::System::Threading::{
    ALL_PROCESSOR_GROUPS, GetActiveProcessorCount, GetCurrentProcess, GetProcessAffinityMask,
    GetProcessWorkingSetSize,
};

pub(super) fn cores() -> Cores {
    let mut cores = Cores::default();
    // SAFETY: takes and returns plain numbers.
    let logical = unsafe { GetActiveProcessorCount(ALL_PROCESSOR_GROUPS) };
    cores.logical = (logical > 0).then_some(logical);
    let (mut mask, mut system) = (0_usize, 0_usize);
    // SAFETY: writes two numbers, for which there is room.
    let known = unsafe { GetProcessAffinityMask(GetCurrentProcess(), &raw mut mask, &raw mut system) } != 0;
    // A process with threads in several processor groups gets zeros: unknown.
    cores.usable = (known && mask != 0).then_some(mask.count_ones());
    cores
}

pub(super) fn memory() -> Memory {
    let mut memory = Memory::default();
    let mut status = MEMORYSTATUSEX { dwLength: size_of::<MEMORYSTATUSEX>() as u32, ..Default::default() };
    // SAFETY: writes one structure, whose size it is told.
    if unsafe { GlobalMemoryStatusEx(&raw mut status) } != 0 {
        memory.total_bytes = Some(status.ullTotalPhys);
        memory.available_bytes = Some(status.ullAvailPhys);
    }
    let (mut least, mut most) = (0_usize, 0_usize);
    // SAFETY: writes two numbers, for which there is room.
    if unsafe { GetProcessWorkingSetSize(GetCurrentProcess(), &raw mut least, &raw mut most) } != 0 {
        memory.lock_limit_bytes = Limit::At(least as u64);
    }
    let mut system = SYSTEM_INFO::default();
    // SAFETY: writes one structure, for which there is room.
    unsafe { GetSystemInfo(&raw mut system) };
    memory.page_bytes = Some(system.dwPageSize.into());
    memory
}

/// Sleeps are timed by a tick that any program may change; which one holds for this process can't be asked.
pub(super) fn timer_resolution_ns() -> Option<u64> {
    None
}
