//! Vector instructions: what processor and system have together, found out at run time.

use std::collections::BTreeSet;

/// The features of `$found` that are there.
#[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! found {
    ($is:path: $($feature:tt)+) => {{
        use $is as is;
        [$(($feature, is!($feature))),+].into_iter().filter(|(_, found)| *found).map(|(name, _)| name.to_owned()).collect()
    }};
}

/// Those that matter to audio, by the names of Rust's target features.
pub(super) fn features() -> BTreeSet<String> {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return found!(std::arch::is_x86_feature_detected:
        "sse2" "sse3" "ssse3" "sse4.1" "sse4.2" "avx" "avx2" "fma" "f16c" "avx512f" "avx512vl" "avx512bw" "avx512dq");
    #[cfg(target_arch = "aarch64")]
    return found!(std::arch::is_aarch64_feature_detected: "neon" "fp16" "dotprod" "sve" "sve2");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    return BTreeSet::new();
}
