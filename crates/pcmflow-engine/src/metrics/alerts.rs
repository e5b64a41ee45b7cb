//! [`Alerts`]: what is worth a person's attention, decided from snapshots by rules.

use super::rules::{Rule, RuleError};
use super::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Something worth a person's attention.
///
/// ```
/// use pcmflow_engine::metrics::Alert;
/// let json = r#"{"rule":"loss","subject":"link mic","since_ns":5,"value":1,"limit":1,"reason":"link mic: loss in 10 s"}"#;
/// let alert: Alert = serde_json::from_str(json)?;
/// assert_eq!((alert.rule.as_str(), alert.since_ns), ("loss", 5));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Alert {
    /// The rule by which it was raised.
    pub rule: String,
    /// What it is about: `link mic`, `pool main`.
    pub subject: String,
    /// When it was raised.
    pub since_ns: u64,
    /// The rule's metric when it was last looked at.
    pub value: u64,
    /// Where the rule raises it.
    pub limit: u64,
    /// Why it was raised, for a person.
    pub reason: String,
}

/// An alert was raised or cleared.
///
/// ```
/// use pcmflow_engine::metrics::{AlertEdge, Alerts, NodeSnapshot, Rule, Snapshot};
/// let mut alerts = Alerts::new(Rule::defaults())?;
/// let mut snapshot = Snapshot::default();
/// let mut node = NodeSnapshot::default();
/// node.flow.score = 100;
/// node.flow.last_10_s.frames_dropped = 1;
/// snapshot.nodes.insert("pitch".into(), node);
/// assert!(matches!(alerts.observe(5, &snapshot)[..], [AlertEdge::Raised(_)]));
/// snapshot.nodes.clear();
/// assert!(matches!(alerts.observe(9, &snapshot)[..], [AlertEdge::Cleared { at_ns: 9, .. }]));
/// # Ok::<(), pcmflow_engine::metrics::RuleError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertEdge {
    /// Raised, at its `since_ns`.
    Raised(Alert),
    /// Cleared.
    Cleared {
        /// The alert, with the value that cleared it.
        alert: Alert,
        /// When.
        at_ns: u64,
        /// Why, for a person.
        reason: String,
    },
}

/// What is known of one rule and one subject; forgotten when it is neither.
#[derive(Debug, Clone, Default)]
struct State {
    raised: Option<Alert>,
    /// Since when the value is where it changes that.
    crossed_ns: Option<u64>,
}

/// Raises and clears alerts, by rules, from one snapshot after the other. A pure reducer.
///
/// An alert is raised when its value was at the rule's `raise_at`, or beyond, in every snapshot of `hold_ns`, and cleared likewise
/// at `clear_at`. What is in between, or has nothing to say, changes nothing. What is in the snapshots no more is cleared
/// at once. A clock that goes back stands still.
///
/// ```
/// use pcmflow_engine::metrics::{AlertEdge, Alerts, PoolSnapshot, Rule, Snapshot};
/// let mut alerts = Alerts::new(Rule::defaults())?;
/// let mut snapshot = Snapshot::default();
/// snapshot.pools.insert("main".into(), PoolSnapshot { overhead_ppm: 31_000, ..PoolSnapshot::default() });
/// assert!(alerts.observe(0, &snapshot).is_empty());
/// let edges = alerts.observe(1_000_000_000, &snapshot);
/// assert!(matches!(&edges[..], [AlertEdge::Raised(alert)]
///     if alert.reason == "pool main: overhead is 3.1 %, 3.0 % or more for 1000 ms"));
/// assert_eq!(alerts.active().count(), 1);
/// # Ok::<(), pcmflow_engine::metrics::RuleError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Alerts {
    rules: Vec<Rule>,
    now_ns: u64,
    /// By the rule's index and the subject.
    states: BTreeMap<(usize, String), State>,
}

impl Alerts {
    /// Watches by these rules; nothing is raised yet.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`RuleError::NoDistance`] for a rule whose thresholds are one, [`RuleError::Twice`] for a name that two have.
    pub fn new(rules: Vec<Rule>) -> Result<Self, RuleError> {
        let mut names = BTreeSet::new();
        for rule in &rules {
            let name = || rule.name.clone();
            if rule.raise_at == rule.clear_at {
                return Err(RuleError::NoDistance { name: name(), at: rule.raise_at });
            }
            if !names.insert(&rule.name) {
                return Err(RuleError::Twice { name: name() });
            }
        }
        Ok(Self { rules, now_ns: 0, states: BTreeMap::new() })
    }

    /// The rules.
    ///
    /// Not RT-safe: meant for the task that samples.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The alerts there are, by rule and subject.
    ///
    /// Not RT-safe: meant for the task that samples.
    pub fn active(&self) -> impl Iterator<Item = &Alert> {
        self.states.values().filter_map(|state| state.raised.as_ref())
    }

    /// What is to be found out of a flow while it is [calm](super::MeterReader::is_calm): nothing, if its p99 latency is below this,
    /// per million of the limit.
    ///
    /// Not RT-safe: meant for the task that samples.
    pub(crate) fn calm_below_ppm(&self) -> u64 {
        self.rules.iter().map(Rule::calm_below_ppm).min().unwrap_or(u64::MAX)
    }

    /// The names of what there is an alert of, or may soon be: of these everything must be found out.
    ///
    /// Not RT-safe: allocates.
    pub(crate) fn subjects(&self) -> BTreeSet<String> {
        let names = self.states.keys().filter_map(|(_, subject)| subject.split_once(' '));
        names.map(|(_, name)| name.to_owned()).collect()
    }

    /// Takes in what is known at `now_ns`; says what was raised and cleared with it, by rule and subject.
    ///
    /// Not RT-safe: allocates.
    pub fn observe(&mut self, now_ns: u64, snapshot: &Snapshot) -> Vec<AlertEdge> {
        self.now_ns = self.now_ns.max(now_ns);
        let mut edges = Vec::new();
        let mut before = std::mem::take(&mut self.states);
        for (index, rule) in self.rules.iter().enumerate() {
            let (states, now_ns) = (&mut self.states, self.now_ns);
            rule.metric.values(snapshot, &mut |(kind, name), value| {
                // Of most there is nothing to say, and nothing known: for them no text is made.
                if before.is_empty() && !value.is_some_and(|value| rule.crossed(value, false)) {
                    return;
                }
                let key = (index, format!("{kind} {name}"));
                let mut state = before.remove(&key).unwrap_or_default();
                edges.extend(step(rule, &key.1, &mut state, value, now_ns));
                if state.raised.is_some() || state.crossed_ns.is_some() {
                    states.insert(key, state);
                }
            });
        }
        let at_ns = self.now_ns;
        edges.extend(before.into_values().filter_map(|state| state.raised).map(|alert| {
            let reason = format!("{}: it is there no more", alert.subject);
            AlertEdge::Cleared { alert, at_ns, reason }
        }));
        edges
    }
}

/// One value of one subject.
fn step(rule: &Rule, subject: &str, state: &mut State, value: Option<u64>, now_ns: u64) -> Option<AlertEdge> {
    let Some(value) = value.filter(|value| rule.crossed(*value, state.raised.is_some())) else {
        state.crossed_ns = None;
        if let (Some(alert), Some(value)) = (&mut state.raised, value) {
            alert.value = value;
        }
        return None;
    };
    let crossed_ns = *state.crossed_ns.get_or_insert(now_ns);
    if let Some(alert) = &mut state.raised {
        alert.value = value;
    }
    if now_ns - crossed_ns < rule.hold_ns {
        return None;
    }
    state.crossed_ns = None;
    let says = |at: u64, below: bool| {
        let (metric, side) = (rule.metric, if below { "less" } else { "more" });
        let held_ms = (now_ns - crossed_ns) / 1_000_000;
        let (what, value, at) = (metric.words(), metric.text(value), metric.text(at));
        format!("{subject}: {what} is {value}, {at} or {side} for {held_ms} ms")
    };
    let rising = rule.raise_at > rule.clear_at;
    Some(match state.raised.take() {
        Some(alert) => AlertEdge::Cleared { alert, at_ns: now_ns, reason: says(rule.clear_at, rising) },
        None => {
            let reason = says(rule.raise_at, !rising);
            let alert = Alert {
                rule: rule.name.clone(),
                subject: subject.to_owned(),
                since_ns: now_ns,
                value,
                limit: rule.raise_at,
                reason,
            };
            state.raised = Some(alert.clone());
            AlertEdge::Raised(alert)
        }
    })
}
