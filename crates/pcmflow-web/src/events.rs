//! What happened, as JSON: pitches, levels, records of the bus with whatever fields they have, and lines that are told.

use crate::heard::Heard;
use pcmflow::engine::event::{Names, Record};
use pcmflow::nodes::{Levels, Pitched};
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Told {
    Pitch {
        position: u64,
        at_ms: f64,
        hz: Option<f32>,
        note: Option<String>,
        cents: Option<f32>,
        confidence: f32,
        voiced: bool,
        /// Where the estimate stands in its stream.
        time_s: f64,
        /// From the moment that it is for until it was known.
        delay_ms: f64,
    },
    Level {
        position: u64,
        at_ms: f64,
        frames: u64,
        peak: f32,
        rms: f32,
        clipped: u64,
        non_finite: u64,
    },
    Event {
        name: String,
        source: Value,
        priority: Value,
        at_ms: f64,
        fields: Value,
    },
    Line {
        text: String,
    },
    Missed {
        events: u64,
    },
}

/// In milliseconds, as the host has them.
pub(crate) fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

impl Told {
    pub(crate) fn of(at_ns: u64, heard: Heard) -> Self {
        let at_ms = ms(at_ns);
        match heard {
            Heard::Pitch(Pitched { estimate, rate, delay_ns }) => Self::Pitch {
                position: estimate.position.0,
                at_ms,
                hz: estimate.hz,
                note: estimate.note.map(|note| note.to_string()),
                cents: estimate.note.map(|_| estimate.cents),
                confidence: estimate.confidence,
                voiced: estimate.voiced,
                time_s: estimate.position.secs(rate),
                delay_ms: ms(delay_ns),
            },
            Heard::Level(Levels { position, frames, peak, rms, clipped, non_finite, .. }) => {
                Self::Level { position: position.0, at_ms, frames: frames.0, peak, rms, clipped, non_finite }
            }
        }
    }

    pub(crate) fn record(record: &Record, names: &Names) -> Self {
        // What it consists of can always be written.
        let mut described = serde_json::to_value(record.describe(names)).unwrap_or_default();
        let mut take = |key: &str| described.get_mut(key).map(Value::take).unwrap_or_default();
        Self::Event {
            name: snake_case(record.event_type().name()),
            source: take("source"),
            priority: take("priority"),
            at_ms: ms(record.time_ns()),
            fields: take("fields"),
        }
    }
}

/// `GapOpened` is `gap_opened`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
