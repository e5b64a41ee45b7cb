//! The session's own modules, like any user's: data management, audio input, observability.

use super::{Inputs, SharedFlow, SharedMonitor, locked};
use crate::config::{Config, ConfigChange};
use crate::event::types::DataManagementReady;
use crate::flow::FlowMonitor;
use crate::metrics::Rule;
use crate::module::{Health, Module, ModuleCx};
use crate::session::InputState;
use std::error::Error;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// The pool and its budget.
pub(super) struct DataManagement {
    pub(super) flow: SharedFlow,
    /// Of the budget, in percent: more is worth a word.
    pub(super) percent_max: u8,
}

impl Module for DataManagement {
    fn name(&self) -> &str {
        "data-management"
    }

    fn init(&mut self, cx: &ModuleCx) -> Outcome {
        self.percent_max = cx.config.alerts.memory_percent_on;
        let mut flow = locked(&self.flow);
        let metrics = flow.pool().metrics();
        let pool = flow.id("main");
        let ready = DataManagementReady {
            pool,
            buffers: metrics.classes.iter().map(|class| class.buffers() as u64).sum(),
            pool_bytes: metrics.held_bytes as u64,
        };
        flow.publish(pool, &ready);
        Ok(())
    }

    fn stop(&mut self, _: &ModuleCx) -> Outcome {
        // What nobody holds any more goes back to the system.
        let _ = locked(&self.flow).pool().give_back();
        Ok(())
    }

    fn health(&self) -> Health {
        let metrics = locked(&self.flow).pool().metrics();
        let percent = 100 * metrics.held_bytes as u64 / (metrics.budget_bytes as u64).max(1);
        match percent >= self.percent_max.into() {
            true => Health::Degraded(format!("the pool holds {percent} % of its budget")),
            false => Health::Healthy,
        }
    }

    fn config_changed(&mut self, change: &ConfigChange) {
        self.percent_max = change.config.alerts.memory_percent_on;
    }
}

/// Everything that feeds the flow. It starts the flow's nodes first, so that nothing is missed.
pub(super) struct AudioInput {
    pub(super) flow: SharedFlow,
    pub(super) inputs: Inputs,
}

impl Module for AudioInput {
    fn name(&self) -> &str {
        "audio-input"
    }

    fn dependencies(&self) -> &[&str] {
        &["data-management", "observability"]
    }

    fn start(&mut self, _: &ModuleCx) -> Outcome {
        locked(&self.flow).start()?;
        let mut inputs = locked(&self.inputs);
        for (name, input) in inputs.iter_mut() {
            input.start().map_err(|error| format!("input {name}: {error}"))?;
        }
        Ok(())
    }

    fn stop(&mut self, _: &ModuleCx) -> Outcome {
        locked(&self.inputs).values_mut().for_each(|input| input.stop());
        Ok(())
    }

    fn health(&self) -> Health {
        let inputs = locked(&self.inputs);
        let status: Vec<_> = inputs.iter().map(|(name, input)| (name, input.status())).collect();
        let trouble: Vec<String> = status
            .iter()
            .filter_map(|(name, status)| Some(format!("{name}: {}", status.trouble.as_ref()?)))
            .collect();
        let failed = status.iter().filter(|(_, status)| status.state == InputState::Failed).count();
        match trouble.is_empty() {
            true => Health::Healthy,
            false if failed == status.len() => Health::Failed(trouble.join("; ")),
            false => Health::Degraded(trouble.join("; ")),
        }
    }
}

/// Sampler, alerts and snapshots.
pub(super) struct Observability {
    pub(super) monitor: SharedMonitor,
}

/// The monitor's settings by a configuration.
pub(super) fn settings(config: &Config) -> (u64, Vec<Rule>) {
    (config.metrics.sample_ms * 1_000_000, Rule::of(config))
}

impl Module for Observability {
    fn name(&self) -> &str {
        "observability"
    }

    fn health(&self) -> Health {
        match locked(&self.monitor).alerts() {
            0 => Health::Healthy,
            1 => Health::Degraded("1 alert".to_owned()),
            alerts => Health::Degraded(format!("{alerts} alerts")),
        }
    }

    fn validate_config(&self, candidate: &Config) -> Outcome {
        let (interval_ns, rules) = settings(candidate);
        FlowMonitor::new(interval_ns, rules, 0)?;
        Ok(())
    }

    fn config_changed(&mut self, change: &ConfigChange) {
        let (interval_ns, rules) = settings(&change.config);
        // It was validated.
        let _ = locked(&self.monitor).configure(interval_ns, rules);
    }
}
