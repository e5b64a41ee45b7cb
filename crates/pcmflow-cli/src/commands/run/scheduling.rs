//! What the threads of a flow ask of the system: what the platform grants and the configuration wants, where the flow's sources keep time.

use super::super::graph::Written;
use pcmflow::core::format::Frames;
use pcmflow::engine::Priority;
use pcmflow::engine::platform::{Platform, PlatformSettings};
use pcmflow::flow_file::{FlowFile, FlowNode, FlowPlan, Role};
use pcmflow::runtime::thread::{Granted, RealTime};
use std::collections::BTreeSet;
use std::time::Duration;

/// What a flow's threads are, and why they are not more.
#[derive(Debug)]
pub(super) struct Scheduling {
    /// The threads that share what is neither critical nor may block.
    pub(super) shared: usize,
    /// What the threads of critical nodes ask for.
    pub(super) real_time: Option<RealTime>,
    /// Why they ask for nothing; none where nothing is critical.
    why_not: Option<String>,
}

impl Scheduling {
    pub(super) fn of(written: &Written, plan: &FlowPlan, platform: &Platform) -> Self {
        let Written { file, config, .. } = written;
        let shared = PlatformSettings::of(platform, config.audio.profile).workers.max(1) as usize;
        let sources = critical_sources(file);
        if sources.is_empty() {
            return Self { shared, real_time: None, why_not: None };
        }
        let hurried = sources.iter().find(|source| !source.is_live());
        let why_not = if !config.threads.real_time {
            let origin = config.origin("threads.real_time");
            Some(format!("no real-time scheduling: threads.real_time is false ({origin})"))
        } else if let Some(source) = hurried {
            // What never sleeps would leave nothing for the rest of the machine.
            Some(format!(
                "no real-time scheduling: node {} does not keep time, and what never rests must not go before all others; \
                 pace = \"realtime\" keeps time",
                source.name
            ))
        } else {
            platform.real_time_denied()
        };
        let real_time = why_not.is_none().then(|| RealTime::every(period(written, plan, &sources)));
        Self { shared, real_time, why_not }
    }

    /// What is told of the critical nodes, where there are such.
    pub(super) fn told(self, granted: Option<Granted>) -> Option<String> {
        granted.map(|granted| granted.to_string()).or(self.why_not)
    }
}

/// The shortest time from one block to the next.
fn period(written: &Written, plan: &FlowPlan, sources: &[&FlowNode]) -> Duration {
    let of = |source: &&FlowNode| {
        let frames = source.values.whole("block_frames").unwrap_or(written.config.audio.block_frames);
        let rate = plan.sources.get(&source.name)?.format().rate;
        Some(Duration::from_secs_f64(rate.frames_to_secs(Frames(frames))))
    };
    sources.iter().filter_map(of).min().unwrap_or_default()
}

/// The sources of all that critical pipelines touch.
fn critical_sources(file: &FlowFile) -> Vec<&FlowNode> {
    let pipelines = || file.pipelines.iter().map(|pipeline| &pipeline.config);
    let critical = pipelines().filter(|config| config.priority == Priority::Critical);
    let mut reached: BTreeSet<&str> = critical.flat_map(|config| [&*config.from, &*config.to]).collect();
    // Against the stream, until nothing is added any more.
    loop {
        let before = reached.len();
        for config in pipelines() {
            if reached.contains(&*config.to) {
                reached.insert(&config.from);
            }
        }
        if reached.len() == before {
            break;
        }
    }
    let is_source = |node: &&FlowNode| node.kind.role == Role::Source && reached.contains(&*node.name);
    file.nodes.iter().filter(is_source).collect()
}
