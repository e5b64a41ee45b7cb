//! The session as the console's other side.

use super::{Session, locked};
use crate::console::{Answer, Cell, Command, Console, Table, configure};
use crate::flow::FlowError;
use crate::metrics::FlowSnapshot;
use pcmflow_core::pool::GivenBack;

/// With one decimal.
fn ms(ns: u64) -> Cell {
    Cell::from((ns / 100_000) as f64 / 10.0)
}

fn percent(part: u64, of: u64) -> Cell {
    Cell::from(100 * part / of.max(1))
}

fn done(outcome: Result<(), FlowError>, text: String) -> Answer {
    match outcome {
        Ok(()) => Answer::done(text),
        Err(error) => Answer::refused(error.to_string()),
    }
}

fn given_back(GivenBack { freed_bytes, draining_bytes, .. }: GivenBack) -> Answer {
    Answer::done(format!("{freed_bytes} bytes were given back, {draining_bytes} will be when they are free"))
}

impl Session {
    fn buffer_status(&mut self) -> Answer {
        let inputs = self.inputs();
        let now = self.look();
        let mut table = Table::new([
            "buffer",
            "kind",
            "fill",
            "capacity",
            "fill_percent",
            "strategy",
            "pressure",
            "lost",
            "score",
        ]);
        for (name, input) in inputs {
            let (fill, capacity) = (input.ring_fill.0, input.ring_capacity.0);
            let row =
                [Cell::from(name), "ring".into(), fill.into(), capacity.into(), percent(fill, capacity)];
            table.row(row);
        }
        for (name, link) in &now.links {
            table.row([
                Cell::from(name.as_str()),
                "link".into(),
                link.fill.into(),
                link.capacity.into(),
                percent(link.fill, link.capacity),
                link.strategy.name().into(),
                link.pressure.active.into(),
                link.lost.total().0.into(),
                link.flow.score.into(),
            ]);
        }
        for (name, pool) in &now.pools {
            for class in pool.classes.iter().filter(|class| class.buffers > 0) {
                table.row([
                    Cell::from(format!("{name}/{}", class.samples)),
                    "class".into(),
                    class.in_use.into(),
                    class.buffers.into(),
                    percent(class.in_use, class.buffers),
                ]);
            }
        }
        Answer::table(table)
    }

    fn buffer_metrics(&mut self) -> Answer {
        let now = self.look();
        let mut table = Table::new([
            "name",
            "kind",
            "frames",
            "frames_per_s",
            "p50_ms",
            "p99_ms",
            "max_ms",
            "dropped",
            "late",
            "starved",
            "busy_percent",
            "score",
        ]);
        let mut row = |name: &str, kind: &str, flow: &FlowSnapshot| {
            let (total, lately) = (&flow.total, &flow.last_10_s);
            let starved: u64 = total.starved.values().map(|starved| starved.episodes).sum();
            table.row([
                Cell::from(name),
                kind.into(),
                total.frames.into(),
                lately.frames_per_s.into(),
                ms(lately.latency.p50_ns),
                ms(lately.latency.p99_ns),
                ms(total.latency.max_ns),
                total.frames_dropped.into(),
                total.deadlines_missed.into(),
                starved.into(),
                (lately.busy_ppm / 10_000).into(),
                flow.score.into(),
            ]);
        };
        now.links.iter().for_each(|(name, link)| row(name, "link", &link.flow));
        now.nodes.iter().for_each(|(name, node)| row(name, "node", &node.flow));
        Answer::table(table)
    }

    fn input(&mut self, name: &str, start: bool) -> Answer {
        let mut inputs = locked(&self.inputs);
        let known = inputs.keys().cloned().collect::<Vec<_>>().join(", ");
        let Some(input) = inputs.get_mut(name) else {
            return Answer::refused(format!("there is no input {name}; there are: {known}"));
        };
        if !start {
            input.stop();
            return Answer::done(format!("input {name} is stopping"));
        }
        match input.start() {
            Ok(()) => Answer::done(format!("input {name} is started")),
            Err(error) => Answer::refused(format!("input {name}: {error}")),
        }
    }

    fn pipelines(&mut self) -> Answer {
        self.look();
        let flow = locked(&self.flow);
        let status = flow.status();
        let mut table = Table::new([
            "pipeline", "priority", "strategy", "open", "fill", "capacity", "frames", "lost", "late",
            "stalled",
        ]);
        for (name, edge) in flow.graph().edges() {
            let Some(pipeline) = status.pipelines.get(name) else { continue };
            table.row([
                Cell::from(name),
                edge.config.priority.name().into(),
                pipeline.strategy.name().into(),
                (!pipeline.shut).into(),
                pipeline.fill.into(),
                pipeline.capacity.into(),
                pipeline.taken.delivered.0.into(),
                pipeline.lost.total().0.into(),
                pipeline.missed.into(),
                pipeline.stalled.into(),
            ]);
        }
        Answer::table(table)
    }

    fn pool_status(&mut self) -> Answer {
        let now = self.look();
        let mut table = Table::new([
            "class",
            "buffers",
            "in_use",
            "in_use_peak",
            "buffers_max",
            "hits",
            "misses",
            "held_bytes",
        ]);
        let Some(pool) = now.pools.get("main") else { return Answer::refused("there is no pool") };
        for class in &pool.classes {
            table.row([
                Cell::from(class.samples),
                class.buffers.into(),
                class.in_use.into(),
                class.in_use_peak.into(),
                class.buffers_max.into(),
                class.hits.into(),
                class.misses.into(),
                class.held_bytes.into(),
            ]);
        }
        let mut answer = Answer::table(table);
        answer.text = format!(
            "{} of {} bytes, {} at most so far; {} buffers in use",
            pool.held_bytes, pool.budget_bytes, pool.held_bytes_peak, pool.in_use
        );
        answer
    }

    fn events_status(&self) -> Answer {
        let told = self.config.current().console.events;
        let now = self.bus.snapshot();
        let mut table =
            Table::new(["event", "priority", "taken", "lost_by_publishers", "lost_by_subscribers"]);
        for of in &now.types {
            table.row([
                Cell::from(of.name.as_str()),
                of.priority.name().into(),
                of.taken.into(),
                of.lost_by_publishers.into(),
                of.lost_by_subscribers.into(),
            ]);
        }
        let mut answer = Answer::table(table);
        answer.text = format!("events are {}", if told { "told" } else { "not told" });
        answer
    }

    /// Changes or tells the configuration, with everybody's agreement.
    fn configure(&mut self, command: &Command) -> Option<Answer> {
        let store = self.config.clone();
        configure(command, &store, self)
    }

    fn switch(&mut self, key: &str, on: bool, text: &str) -> Answer {
        let set = Command::ConfigSet { key: key.to_owned(), value: on.to_string() };
        match self.configure(&set) {
            Some(answer) if answer.ok => Answer::done(text),
            Some(refused) => refused,
            None => Answer::refused("nothing was changed"),
        }
    }
}

impl Console for Session {
    fn execute(&mut self, command: Command) -> Answer {
        match command {
            Command::BufferStatus => self.buffer_status(),
            Command::BufferMetrics => self.buffer_metrics(),
            Command::BufferReset => {
                self.look();
                locked(&self.monitor).reset();
                Answer::done("figures count from now on")
            }
            Command::BufferDebug(true) => {
                self.switch("console.debug", true, "buffers are told as they change")
            }
            Command::BufferDebug(false) => self.switch("console.debug", false, "buffers are told no more"),
            Command::InputStart(name) => self.input(&name, true),
            Command::InputStop(name) => self.input(&name, false),
            Command::PipelineList => self.pipelines(),
            Command::PipelineStart(name) => {
                done(locked(&self.flow).shut(&name, false), format!("pipeline {name} is open"))
            }
            Command::PipelineStop(name) => done(
                locked(&self.flow).shut(&name, true),
                format!("pipeline {name} is shut: what would go through it is given up"),
            ),
            Command::PipelineRemove(name) => {
                done(locked(&self.flow).disconnect(&name), format!("pipeline {name} is removed"))
            }
            Command::PoolStatus => self.pool_status(),
            Command::PoolTrim => given_back(locked(&self.flow).pool().give_back()),
            Command::PoolClear => given_back(locked(&self.flow).pool().clear()),
            Command::Events(on) => {
                let text = if on { "events are told as they come" } else { "events are told no more" };
                self.switch("console.events", on, text)
            }
            Command::EventsStatus => self.events_status(),
            command => match self.configure(&command) {
                Some(answer) => answer,
                None => Answer::refused("that is not known here"),
            },
        }
    }
}
