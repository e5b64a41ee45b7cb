//! What is told unasked: events as they come, buffers as they change.

use crate::config::ConsoleConfig;
use crate::event::{Names, Received, Record, Subscription};
use crate::metrics::Snapshot;
use std::collections::BTreeMap;

/// Lines that are told at a time; what is beyond is counted.
const LINES_MAX: usize = 256;

pub(super) struct Teller {
    events: Subscription<Record>,
    /// What was told of each buffer: tenths of its capacity, whether it is under pressure, what it lost.
    told: BTreeMap<String, (u64, bool, u64)>,
}

impl Teller {
    pub(super) fn new(events: Subscription<Record>) -> Self {
        Self { events, told: BTreeMap::new() }
    }

    pub(super) fn tell(&mut self, config: &ConsoleConfig, now: &Snapshot, names: &Names) -> Vec<String> {
        let mut lines = Vec::new();
        let mut beyond = 0u64;
        // Read also where nobody wants them, so that whoever asks for them is not told of the past.
        while let Some(received) = self.events.receive() {
            if !config.events {
                continue;
            }
            match received {
                _ if lines.len() >= LINES_MAX => beyond += 1,
                Received::Event(record) => lines.push(record.describe(names).to_string()),
                Received::Gap(events) => lines.push(format!("{events} events were too many to be told")),
            }
        }
        if beyond > 0 {
            lines.push(format!("{beyond} more events"));
        }
        if !config.debug {
            self.told.clear();
            return lines;
        }
        for (name, link) in &now.links {
            let state = (10 * link.fill / link.capacity.max(1), link.pressure.active, link.lost.total().0);
            if self.told.get(name) != Some(&state) {
                self.told.insert(name.clone(), state);
                let pressure = if state.1 { ", back-pressure" } else { "" };
                lines.push(format!(
                    "buffer {name}: {} of {} chunks{pressure}, {} frames lost",
                    link.fill, link.capacity, state.2
                ));
            }
        }
        self.told.retain(|name, _| now.links.contains_key(name));
        lines
    }
}
