//! The engine on a clock that is set by hand.

// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod clock;
mod events;
mod flow;
mod gate;
mod hostile;
mod streams;
mod threads;

use crate::{Capture, WebEngine};
use serde_json::Value;
use std::sync::Arc;

const QUANTUM: usize = 128;

/// A page: an engine, its stream, and the time.
struct Page {
    engine: WebEngine,
    capture: Arc<Capture>,
    now_ms: f64,
    /// Frames of the stream so far.
    frames: u64,
    /// All that was told.
    told: Vec<Value>,
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn request(rate_hz: u32, channels: u32) -> String {
    format!(r#"{{"rate_hz":{rate_hz},"channels":{channels},"quantum":{QUANTUM}}}"#)
}

impl Page {
    fn open(config: &str, rate_hz: u32, channels: u32) -> Self {
        let mut engine = WebEngine::open(&format!(r#"{{"config":{config},"now_ms":1000}}"#)).unwrap();
        let capture = engine.stream(&request(rate_hz, channels)).unwrap();
        Self { engine, capture, now_ms: 1000.0, frames: 0, told: Vec::new() }
    }

    /// The next stream of the input.
    fn stream(&mut self, rate_hz: u32, channels: u32) {
        self.capture = self.engine.stream(&request(rate_hz, channels)).unwrap();
        self.frames = 0;
    }

    fn poll(&mut self, now_ms: f64) {
        self.now_ms = now_ms;
        self.engine.poll(now_ms);
        self.told.extend(json(&self.engine.events()).as_array().unwrap().iter().cloned());
    }

    /// Pushes one quantum of this in every channel; returns what was accepted.
    fn push(&mut self, signal: impl Fn(u64) -> f32) -> u32 {
        let format = self.capture.format();
        let samples: Vec<f32> = (self.frames..self.frames + QUANTUM as u64).map(signal).collect();
        (0..format.channels.get()).for_each(|channel| self.capture.fill(channel, &samples));
        let audio_ms = self.frames as f64 * 1e3 / f64::from(format.rate.hz());
        self.frames += QUANTUM as u64;
        self.capture.push(QUANTUM as u32, audio_ms)
    }

    /// Pushes so many quanta, at their time, and polls behind each.
    fn run(&mut self, quanta: u32, signal: impl Fn(u64) -> f32 + Copy) {
        let quantum_ms = QUANTUM as f64 * 1e3 / f64::from(self.capture.format().rate.hz());
        for _ in 0..quanta {
            self.push(signal);
            self.poll(self.now_ms + quantum_ms);
        }
    }

    fn of_type(&self, kind: &str) -> Vec<&Value> {
        self.told.iter().filter(|told| told["type"] == kind).collect()
    }

    /// Events of the bus by this name.
    fn named(&self, name: &str) -> Vec<&Value> {
        self.told.iter().filter(|told| told["type"] == "event" && told["name"] == name).collect()
    }
}

fn sine(hz: f32, rate_hz: u32) -> impl Fn(u64) -> f32 + Copy {
    move |frame| {
        let turns = (frame as f64 * f64::from(hz) / f64::from(rate_hz)).fract();
        0.5 * (turns * std::f64::consts::TAU).sin() as f32
    }
}
