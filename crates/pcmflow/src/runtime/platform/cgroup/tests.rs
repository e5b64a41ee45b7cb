//! Made-up systems, and texts that are none.

use super::*;
use std::collections::BTreeMap;

/// What is allowed where these files are.
fn with(groups: &str, mounts: &str, files: &[(&str, &str)]) -> Allowed {
    let files: BTreeMap<_, _> = files.iter().map(|(path, text)| (Path::new(path), *text)).collect();
    allowed(groups, mounts, |path| files.get(path).map(|text| (*text).to_owned()))
}

fn is(cpu_thousandths: Limit, memory_bytes: Limit) -> Allowed {
    Allowed { cpu_thousandths, memory_bytes }
}

const V2: &str = "22 1 0:20 / / rw - ext4 /dev/root rw\n30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
const V1: &str = "31 22 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                  32 22 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";

#[test]
fn version_2_takes_the_lowest_from_the_group_up() {
    let files = [
        ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
        ("/sys/fs/cgroup/a/b/cpu.max", "150000 100000\n"),
        ("/sys/fs/cgroup/a/memory.max", "1048576\n"),
        ("/sys/fs/cgroup/a/cpu.max", "max 100000\n"),
    ];
    assert_eq!(with("0::/a/b\n", V2, &files), is(Limit::At(1_500), Limit::At(1_048_576)));
    assert_eq!(with("0::/a\n", V2, &files), is(Limit::Unlimited, Limit::At(1_048_576)));
    // A group beside them, and the root.
    assert_eq!(with("0::/c\n", V2, &files), is(Limit::Unlimited, Limit::Unlimited));
    assert_eq!(with("0::/\n", V2, &files), is(Limit::Unlimited, Limit::Unlimited));
    let parent_is_lower = [("/sys/fs/cgroup/a/b/cpu.max", "2 1"), ("/sys/fs/cgroup/a/cpu.max", "1 2")];
    assert_eq!(with("0::/a/b\n", V2, &parent_is_lower).cpu_thousandths, Limit::At(500));
}

#[test]
fn version_1_has_a_tree_for_each_controller() {
    let files = [
        ("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "4096\n"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", "50000\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us", "100000\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
    ];
    let groups = "5:memory:/m\n4:cpu,cpuacct:/c\n1:name=systemd:/x\n";
    assert_eq!(with(groups, V1, &files), is(Limit::At(500), Limit::At(4096)));
    assert_eq!(with("5:memory:/\n4:cpuacct,cpu:/\n", V1, &files), is(Limit::Unlimited, Limit::Unlimited));
    assert_eq!(with("5:memory:/m\n", V1, &files), is(Limit::Unknown, Limit::At(4096)));
}

#[test]
fn where_both_versions_are_mounted_the_lowest_holds() {
    let files = [
        ("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "4096"),
        ("/sys/fs/cgroup/u/memory.max", "2048"),
        ("/sys/fs/cgroup/u/cpu.max", "1 1"),
    ];
    let mounts = format!("{V1}{V2}");
    assert_eq!(with("5:memory:/m\n0::/u\n", &mounts, &files), is(Limit::At(1_000), Limit::At(2048)));
}

#[test]
fn what_is_mounted_may_be_a_part_and_anywhere() {
    let part = "1 2 0:3 /docker/x /odd\\040place rw - cgroup2 none rw";
    let files = [
        ("/odd place/memory.max", "77"),
        ("/odd place/in/memory.max", "66"),
        ("/odd place/docker/x/memory.max", "1"),
        ("/memory.max", "2"),
    ];
    let memory = |groups| with(groups, part, &files).memory_bytes;
    assert_eq!(memory("0::/docker/x"), Limit::At(77));
    assert_eq!(memory("0::/docker/x/in"), Limit::At(66));
    // Not seen from here: the mount stands for it, and nothing outside of it is read.
    assert_eq!(memory("0::/docker/xy"), Limit::At(77));
    assert_eq!(memory("0::/"), Limit::At(77));
    assert_eq!(memory("0::/docker/x/../.."), Limit::At(77));
    assert_eq!(memory("0::/../other"), Limit::At(77));
}

#[test]
fn texts_that_are_none_are_passed_over() {
    let file = |name: &str, text: &str| {
        let path = format!("/sys/fs/cgroup/{name}");
        with("0::/", V2, &[(&path, text)])
    };
    for text in ["", "\n", "many", "-5", "1e9", "99999999999999999999", "max max", "\u{feff}5"] {
        assert_eq!(file("memory.max", text).memory_bytes, Limit::Unlimited, "{text:?}");
    }
    for text in ["", "max", "100", "100 0", "x 100", "100 x", "1 2 3", "99999999999999999999 1", "1 -1"] {
        assert_eq!(file("cpu.max", text).cpu_thousandths, Limit::Unlimited, "{text:?}");
    }
    assert_eq!(file("cpu.max", "9223372036854775807 1").cpu_thousandths, Limit::At(u64::MAX));
    assert_eq!(file("cpu.max", "0 100000").cpu_thousandths, Limit::At(0));
    assert_eq!(file("memory.max", "0").memory_bytes, Limit::At(0));
    let nothing = Allowed::default();
    for mounts in
        ["", " - ", "a - b", "1 2 3 / - cgroup2 x", "1 2 3 / /x rw - cgroup x", "1 2 3 / /x rw - cgroup", V1]
    {
        assert_eq!(with("0::/", mounts, &[]), nothing, "{mounts:?}");
    }
    for groups in ["", "0", "0:", "0:/", ":::", "1::/", "0:memory:/", "x\0y"] {
        assert_eq!(with(groups, V2, &[]), nothing, "{groups:?}");
    }
    assert_eq!(with("0::/", V2, &[]), is(Limit::Unlimited, Limit::Unlimited));
}

#[test]
fn escapes_are_undone_and_what_is_none_stays() {
    for (path, expected) in [
        ("/a", "/a"),
        ("/a\\040b\\011", "/a b\t"),
        ("\\134040", "\\040"),
        ("\\", "\\"),
        ("\\04", "\\04"),
        ("\\999", "\\999"),
        ("\\377x", "\\377x"),
        ("\\éé", "\\éé"),
    ] {
        assert_eq!(unescaped(path), expected, "{path}");
    }
}
