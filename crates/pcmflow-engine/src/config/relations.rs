//! What must hold between keys.

use super::{Config, ConfigError, Key, Value};
use pcmflow_core::format::{Frames, SampleRate};
use pcmflow_core::pool::{BufferRecyclingPool, PoolConfigError};

/// Keys of which the first must be below the second (or at most the second).
pub(super) const BELOW: &[(&str, &str, &str)] = &[
    ("memory.class_buffers_prewarm", "at most", "memory.class_buffers_max"),
    ("flow.pressure_off_percent", "below", "flow.pressure_on_percent"),
    ("alerts.latency_ms_off", "below", "alerts.latency_ms_on"),
    ("alerts.loss_ppm_off", "below", "alerts.loss_ppm_on"),
    ("alerts.memory_percent_off", "below", "alerts.memory_percent_on"),
    ("alerts.score_on", "below", "alerts.score_off"),
];

/// Others: the key that is told to be wrong, those that it depends on, and what is wrong if anything is.
type Rule = (&'static str, &'static [&'static str], fn(&Config) -> Option<String>);

pub(super) const RULES: &[Rule] = &[
    ("audio.block_frames", &["audio.profile"], block_fits_profile),
    ("audio.ring_ms", &["audio.block_frames", "audio.sample_rate_hz"], ring_holds_two_blocks),
    (
        "memory.budget_bytes",
        &[
            "memory.class_samples",
            "memory.class_buffers_max",
            "memory.class_buffers_prewarm",
            "memory.endpoints_max",
        ],
        budget_holds_tables,
    ),
];

fn block_fits_profile(config: &Config) -> Option<String> {
    let refused = config.audio.profile.block(Some(Frames(config.audio.block_frames))).err()?;
    Some(refused.to_string())
}

fn ring_holds_two_blocks(config: &Config) -> Option<String> {
    let rate = SampleRate::new(config.audio.sample_rate_hz).ok()?;
    let two_ms = rate.frames_to_ns(Frames(2 * config.audio.block_frames)).div_ceil(1_000_000);
    (config.audio.ring_ms < two_ms).then(|| format!("it must hold two blocks, {two_ms} ms"))
}

fn budget_holds_tables(config: &Config) -> Option<String> {
    let mut pool = config.memory.pool();
    // Nothing but the tables.
    pool.classes.iter_mut().for_each(|class| class.buffers_prewarm = 0);
    match BufferRecyclingPool::new(pool) {
        Err(PoolConfigError::Tables { bytes, .. }) => {
            Some(format!("the tables of an empty pool take {bytes} already, and buffers come on top of that"))
        }
        _ => None,
    }
}

/// Every relation that is broken, but for those with a key that is known to be `wrong` by itself.
pub(super) fn broken(config: &Config, wrong: &[&'static str]) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut look = |name: &'static str, others: &[&str], rule: Option<String>| {
        let known = wrong.contains(&name) || others.iter().any(|other| wrong.contains(other));
        let (Some(rule), Some(key), false) = (rule, Key::find(name), known) else { return };
        let origin = config.origin(name);
        let value = (key.get)(config).to_string();
        errors.push(ConfigError::Relation { key: key.name, value, origin, rule });
    };
    for &(lower, word, upper) in BELOW {
        let (Some(Value::Number(low)), Some(Value::Number(high))) = (config.get(lower), config.get(upper))
        else {
            continue;
        };
        let holds = low < high || (word == "at most" && low == high);
        look(lower, &[upper], (!holds).then(|| format!("it must be {word} {upper}, {high}")));
    }
    for &(name, others, check) in RULES {
        look(name, others, check(config));
    }
    errors
}
