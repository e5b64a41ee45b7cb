//! What the control groups of a process allow, of both versions: texts of the kernel, read with distrust.
//!
//! `/proc/self/cgroup` has the groups, `/proc/self/mountinfo` where their files are. A group is held to the limits of all groups
//! that it is in, so each directory from the group's up to the mount is asked, and the lowest limit holds. In a container the
//! group's own path may not be seen; then the mount stands for it.

use crate::engine::platform::Limit;
use std::path::{Component, Path, PathBuf};

/// What they allow; unknown where no group's files can be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    /// Processor time, in thousandths of one core's.
    pub(super) cpu_thousandths: Limit,
    /// Memory.
    pub(super) memory_bytes: Limit,
}

/// Reads the limits by `read`, which gives a file's text.
pub(super) fn allowed(groups: &str, mounts: &str, read: impl Fn(&Path) -> Option<String>) -> Allowed {
    let mut allowed = Allowed::default();
    for mount in mounts.lines().filter_map(mount) {
        let read = |directory: &Path, file| read(&directory.join(file));
        let cpu = |directory: &Path| {
            if mount.is_version_2() {
                return cpu_max(&read(directory, "cpu.max")?);
            }
            quota(&read(directory, "cpu.cfs_quota_us")?, &read(directory, "cpu.cfs_period_us")?)
        };
        let memory = |directory: &Path| {
            let file = if mount.is_version_2() { "memory.max" } else { "memory.limit_in_bytes" };
            bytes(&read(directory, file)?)
        };
        allowed.cpu_thousandths = allowed.cpu_thousandths.lower(mount.lowest(groups, "cpu", cpu));
        allowed.memory_bytes = allowed.memory_bytes.lower(mount.lowest(groups, "memory", memory));
    }
    allowed
}

/// A mounted tree of control groups.
struct Mount<'a> {
    /// The group that is mounted.
    root: &'a str,
    /// Where.
    point: PathBuf,
    /// Of version 1: the controllers, among other options.
    controllers: Option<&'a str>,
}

/// A line of mountinfo, if it is a tree of control groups:
/// `36 35 98:0 /group /mount/point options [optional fields] - type source options`.
fn mount(line: &str) -> Option<Mount<'_>> {
    let (before, after) = line.split_once(" - ")?;
    let (mut before, mut after) = (before.split(' ').skip(3), after.split(' '));
    let (root, point) = (before.next()?, before.next()?);
    let controllers = match after.next()? {
        "cgroup2" => None,
        "cgroup" => Some(after.nth(1)?),
        _ => return None,
    };
    Some(Mount { root, point: PathBuf::from(unescaped(point)), controllers })
}

impl Mount<'_> {
    fn is_version_2(&self) -> bool {
        self.controllers.is_none()
    }

    /// The lowest limit of a controller that the process' group and those above it have here; unknown where the controller is not.
    fn lowest(&self, groups: &str, controller: &str, limit: impl Fn(&Path) -> Option<Limit>) -> Limit {
        if self.controllers.is_some_and(|controllers| !controllers.split(',').any(|one| one == controller)) {
            return Limit::Unknown;
        }
        let Some(group) = self.group(groups, controller) else { return Limit::Unknown };
        // The root has no limit, and no file for it.
        let within = self.within(group).unwrap_or(Path::new(""));
        let limits = within.ancestors().filter_map(|group| limit(&self.point.join(group)));
        limits.fold(Limit::Unlimited, Limit::lower)
    }

    /// The process' group in this tree: a line of `hierarchy:controllers:path`.
    fn group<'g>(&self, groups: &'g str, controller: &str) -> Option<&'g str> {
        groups.lines().find_map(|line| {
            let (hierarchy, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let is_here = match self.controllers {
                None => hierarchy == "0" && controllers.is_empty(),
                Some(_) => controllers.split(',').any(|one| one == controller),
            };
            is_here.then_some(path)
        })
    }

    /// The group's path below the one that is mounted; none where it can't be seen from here.
    fn within<'g>(&self, group: &'g str) -> Option<&'g Path> {
        let within = Path::new(group).strip_prefix(self.root).ok()?;
        within.components().all(|part| matches!(part, Component::Normal(_))).then_some(within)
    }
}

/// A path with `\040` and the like for characters that would end it.
fn unescaped(path: &str) -> String {
    let mut parts = path.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(u8::is_ascii);
        match code {
            Some(code) => {
                out.push(code.into());
                out += &part[3..];
            }
            None => {
                out.push('\\');
                out += part;
            }
        }
    }
    out
}

/// A limit of memory, of either version: version 1 says a number near the largest for none.
fn bytes(text: &str) -> Option<Limit> {
    match text.trim() {
        "max" => Some(Limit::Unlimited),
        number => {
            let bytes: u64 = number.parse().ok()?;
            Some(if bytes >= 1 << 62 { Limit::Unlimited } else { Limit::At(bytes) })
        }
    }
}

/// `cpu.max`: time and period, or `max` and period.
fn cpu_max(text: &str) -> Option<Limit> {
    let (time, period) = text.trim().split_once(' ')?;
    if time == "max" { Some(Limit::Unlimited) } else { quota(time, period) }
}

/// Time in a period, both in microseconds; a negative time for no limit.
fn quota(time: &str, period: &str) -> Option<Limit> {
    let (time, period) = (time.trim().parse::<i64>().ok()?, period.trim().parse::<u64>().ok()?);
    let Ok(time) = u64::try_from(time) else { return Some(Limit::Unlimited) };
    let thousandths = (u128::from(time) * 1_000).checked_div(u128::from(period))?;
    Some(Limit::At(u64::try_from(thousandths).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;
