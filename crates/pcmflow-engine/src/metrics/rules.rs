//! [`Rule`]: when something is worth a person's attention, as data.

use super::figures::per;
use super::snapshot::{FlowSnapshot, Snapshot};
use crate::config::Config;
use serde::{Deserialize, Serialize};

/// What a rule looks at: a number of each pipeline, link, node or pool in a snapshot.
///
/// ```
/// use pcmflow_engine::metrics::Metric;
/// assert_eq!(Metric::PoolHitRatePpm.text(925_000), "92.5 %");
/// assert_eq!(Metric::FramesDropped.text(480), "480 frames");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// The p99 latency of the last 10 s, per million of the flow's limit.
    LatencyP99Ppm,
    /// Frames lost in the last 10 s.
    FramesDropped,
    /// Frames lost in the last 10 s, per million of those that came.
    DroppedPpm,
    /// 1 while a link is under back-pressure, else 0.
    LinkPressure,
    /// Episodes in the last 10 s in which data was due or waited, and was not moved. (Idle ones don't count.)
    StarvedEpisodes,
    /// The health score of the last 10 s.
    HealthScore,
    /// Requests that a pool served at once in the last 10 s, per million. Without requests there is nothing to say.
    PoolHitRatePpm,
    /// Bytes a pool holds, per million of its budget.
    PoolHeldPpm,
    /// Bytes a pool holds that are not samples, per million.
    PoolOverheadPpm,
    /// Bytes of free buffers that a pool can't give back, per million.
    PoolFragmentationPpm,
    /// Frames of a pipeline, before the position it is settled to, that nothing explains.
    Unaccounted,
}

impl Metric {
    /// What it is, in words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::LatencyP99Ppm => "p99 latency of the limit",
            Self::FramesDropped | Self::DroppedPpm => "loss in 10 s",
            Self::LinkPressure => "back-pressure",
            Self::StarvedEpisodes => "starvation in 10 s",
            Self::HealthScore => "health score",
            Self::PoolHitRatePpm => "hit rate",
            Self::PoolHeldPpm => "memory of the budget",
            Self::PoolOverheadPpm => "overhead",
            Self::PoolFragmentationPpm => "fragmentation",
            Self::Unaccounted => "unaccounted for",
        }
    }

    /// One of its values, with its unit, for a person.
    ///
    /// Not RT-safe: allocates.
    pub fn text(self, value: u64) -> String {
        match self {
            Self::LatencyP99Ppm
            | Self::DroppedPpm
            | Self::PoolHeldPpm
            | Self::PoolHitRatePpm
            | Self::PoolOverheadPpm
            | Self::PoolFragmentationPpm => {
                format!("{}.{} %", value / 10_000, value / 1_000 % 10)
            }
            Self::FramesDropped | Self::Unaccounted => format!("{value} frames"),
            Self::StarvedEpisodes => format!("{value} episodes"),
            Self::LinkPressure | Self::HealthScore => value.to_string(),
        }
    }

    /// Hands out its values in a snapshot, with what they are of; none where there is nothing to say.
    pub(super) fn values<'a>(self, snapshot: &'a Snapshot, each: &mut dyn FnMut(Subject<'a>, Option<u64>)) {
        let mut pools = |value: fn(&super::PoolSnapshot) -> Option<u64>| {
            snapshot.pools.iter().for_each(|(name, pool)| each(("pool", name), value(pool)));
        };
        match self {
            Self::PoolHitRatePpm => return pools(|pool| pool.hit_rate_10_s_ppm),
            Self::PoolHeldPpm => {
                return pools(|pool| Some(per(pool.held_bytes, pool.budget_bytes, 1_000_000)));
            }
            Self::PoolOverheadPpm => return pools(|pool| Some(pool.overhead_ppm)),
            Self::PoolFragmentationPpm => return pools(|pool| Some(pool.fragmentation_ppm)),
            _ => {}
        }
        let mut flows = |value: fn(&FlowSnapshot) -> u64| {
            snapshot.pipelines.iter().for_each(|(name, at)| each(("pipeline", name), Some(value(&at.flow))));
            snapshot.links.iter().for_each(|(name, at)| each(("link", name), Some(value(&at.flow))));
            snapshot.nodes.iter().for_each(|(name, at)| each(("node", name), Some(value(&at.flow))));
        };
        match self {
            Self::LatencyP99Ppm => {
                flows(|flow| per(flow.last_10_s.latency.p99_ns, flow.latency_limit_ns, 1_000_000));
            }
            Self::FramesDropped => flows(|flow| flow.last_10_s.frames_dropped),
            Self::DroppedPpm => flows(|flow| flow.last_10_s.dropped_ppm),
            Self::StarvedEpisodes => flows(|flow| {
                let starved = flow.last_10_s.starved.values();
                starved.map(|starved| starved.episodes).fold(0, u64::saturating_add)
            }),
            Self::HealthScore => flows(|flow| flow.score.into()),
            Self::LinkPressure => {
                let links = snapshot.links.iter();
                links.for_each(|(name, link)| each(("link", name), Some(link.pressure.active.into())));
            }
            Self::Unaccounted => {
                let pipelines = snapshot.pipelines.iter();
                pipelines
                    .for_each(|(name, at)| each(("pipeline", name), Some(at.ledger.settled_unaccounted)));
            }
            _ => {}
        }
    }
}

/// What a value is of: its kind, and its name.
pub(super) type Subject<'a> = (&'static str, &'a str);

/// When something is worth a person's attention, and when no longer.
///
/// Where `clear_at` is below `raise_at`, an alert is raised at `raise_at` and above, and cleared at `clear_at` and below;
/// where it is above, the other way round. Between the two nothing changes.
///
/// ```
/// use pcmflow_engine::metrics::{Metric, Rule};
/// let rule: Rule = serde_json::from_str(
///     r#"{"name": "slow", "metric": "health_score", "raise_at": 50, "clear_at": 60, "hold_ns": 0}"#,
/// )?;
/// assert_eq!(rule.metric, Metric::HealthScore);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What the rule is called; no other has that name.
    pub name: String,
    /// What it looks at.
    pub metric: Metric,
    /// The value at which an alert is raised.
    pub raise_at: u64,
    /// The value at which it is cleared.
    pub clear_at: u64,
    /// For so long the value must be there before either happens.
    pub hold_ns: u64,
}

impl Rule {
    /// What is watched unless something else is asked for.
    ///
    /// | rule | raised | cleared | held for |
    /// | --- | --- | --- | --- |
    /// | `latency` | p99 of 10 s above the limit | at 90 % of it | 500 ms |
    /// | `loss` | any frame in 10 s | none | at once |
    /// | `pressure` | back-pressure | none | 1 s |
    /// | `starvation` | an episode under way, or in the last 10 s | none | at once |
    /// | `health` | score below 70 | at 75 | 1 s |
    /// | `pool_hit_rate` | below 90 % in 10 s | at 92 % | 1 s |
    /// | `pool_overhead` | above 3 % | at 2.7 % | 1 s |
    /// | `pool_fragmentation` | above 5 % | at 4 % | 1 s |
    /// | `unaccounted` | any frame | none | at once |
    ///
    /// Not RT-safe: allocates.
    pub fn defaults() -> Vec<Rule> {
        const S: u64 = 1_000_000_000;
        [
            ("latency", Metric::LatencyP99Ppm, 1_000_001, 900_000, S / 2),
            ("loss", Metric::FramesDropped, 1, 0, 0),
            ("pressure", Metric::LinkPressure, 1, 0, S),
            ("starvation", Metric::StarvedEpisodes, 1, 0, 0),
            ("health", Metric::HealthScore, 69, 75, S),
            ("pool_hit_rate", Metric::PoolHitRatePpm, 899_999, 920_000, S),
            ("pool_overhead", Metric::PoolOverheadPpm, 30_001, 27_000, S),
            ("pool_fragmentation", Metric::PoolFragmentationPpm, 50_001, 40_000, S),
            ("unaccounted", Metric::Unaccounted, 1, 0, 0),
        ]
        .map(|(name, metric, raise_at, clear_at, hold_ns)| Rule {
            name: name.to_owned(),
            metric,
            raise_at,
            clear_at,
            hold_ns,
        })
        .to_vec()
    }

    /// What is watched by a configuration: the [defaults](Self::defaults), with its thresholds for latency, loss and health, and one
    /// more rule, `memory`, for what pools hold of their budget. The latency is of what `flow.latency_ms_max` allows.
    ///
    /// Not RT-safe: allocates.
    pub fn of(config: &Config) -> Vec<Rule> {
        let (alerts, hold_ns) = (&config.alerts, config.alerts.hold_ms * 1_000_000);
        let limit_ms = config.flow.latency_ms_max;
        let mut rules = Self::defaults();
        for (name, metric, raise_at, clear_at) in [
            (
                "latency",
                Metric::LatencyP99Ppm,
                per(alerts.latency_ms_on, limit_ms, 1_000_000),
                per(alerts.latency_ms_off, limit_ms, 1_000_000),
            ),
            ("loss", Metric::DroppedPpm, alerts.loss_ppm_on, alerts.loss_ppm_off),
            (
                "memory",
                Metric::PoolHeldPpm,
                u64::from(alerts.memory_percent_on) * 10_000,
                u64::from(alerts.memory_percent_off) * 10_000,
            ),
            ("health", Metric::HealthScore, alerts.score_on.into(), alerts.score_off.into()),
        ] {
            rules.retain(|rule| rule.name != name);
            rules.push(Rule { name: name.to_owned(), metric, raise_at, clear_at, hold_ns });
        }
        rules
    }

    /// The p99 latency, per million of the limit, below which this has nothing to say of a flow in which nothing goes wrong; 0
    /// where it may have something to say of any.
    pub(super) fn calm_below_ppm(&self) -> u64 {
        const LIMIT_PPM: u64 = 1_000_000;
        let says_nothing_of = |value| if self.crossed(value, false) { 0 } else { LIMIT_PPM };
        match self.metric {
            Metric::LatencyP99Ppm if self.raise_at > self.clear_at => self.raise_at.min(LIMIT_PPM),
            Metric::LatencyP99Ppm => 0,
            Metric::HealthScore => says_nothing_of(100),
            // Pools are looked at always.
            Metric::PoolHitRatePpm
            | Metric::PoolHeldPpm
            | Metric::PoolOverheadPpm
            | Metric::PoolFragmentationPpm => LIMIT_PPM,
            Metric::FramesDropped
            | Metric::DroppedPpm
            | Metric::LinkPressure
            | Metric::StarvedEpisodes
            | Metric::Unaccounted => says_nothing_of(0),
        }
    }

    /// Whether `value` has reached what changes an alert that is `raised`, or is not.
    pub(super) fn crossed(&self, value: u64, raised: bool) -> bool {
        let rising = self.raise_at > self.clear_at;
        match raised {
            false => {
                if rising {
                    value >= self.raise_at
                } else {
                    value <= self.raise_at
                }
            }
            true => {
                if rising {
                    value <= self.clear_at
                } else {
                    value >= self.clear_at
                }
            }
        }
    }
}

/// Why rules were refused.
///
/// ```
/// use pcmflow_engine::metrics::{Alerts, Rule};
/// let rules = Rule::defaults().into_iter().map(|rule| Rule { clear_at: rule.raise_at, ..rule });
/// let error = Alerts::new(rules.collect()).unwrap_err();
/// assert_eq!(error.to_string(), "alerts.latency.clear_at is 1000001 as is raise_at, one must be below the other");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// Without a distance between the two an alert would flap.
    #[error("alerts.{name}.clear_at is {at} as is raise_at, one must be below the other")]
    NoDistance {
        /// The rule.
        name: String,
        /// Both thresholds.
        at: u64,
    },
    /// Two rules have one name.
    #[error("alerts.{name} is there twice, names must differ")]
    Twice {
        /// The name.
        name: String,
    },
}
