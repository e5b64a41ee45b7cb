//! The one definition of every key; see `key.rs` for the macro.

use super::Allowed;
use super::key::define;
use super::value::{Leaf, OVERFLOWS, PRIORITIES, PROFILES, STRATEGIES};
use crate::Priority;
use crate::event::BusConfig;
use crate::pressure::Strategy;
use pcmflow_core::block::{BufferConstants, Profile};
use pcmflow_core::format::{ChannelCount, SampleRate};
use pcmflow_core::pool::{ClassConfig, PoolConfig};
use pcmflow_core::stream::Overflow;

const LIVE: bool = true;
const FIXED: bool = false;

const fn number(min: u64, max: u64) -> Allowed {
    Allowed::Number { min, max }
}

const fn word(words: &'static [&'static str]) -> Allowed {
    Allowed::Word { words }
}

/// The largest budget that can be told: what a 32-bit address space could hold, and TOML write, everywhere the same.
const BYTES_MAX: u64 = 1 << 40;

define! {
    /// What audio is taken in, and how much of it is held for whoever reads it.
    audio: AudioConfig {
        /// Frames a second of what does not say so itself, as raw PCM.
        FIXED sample_rate_hz: u32 = 48_000, number(SampleRate::MIN.hz() as u64, SampleRate::MAX.hz() as u64);
        /// Samples a frame, likewise.
        FIXED channels: u32 = 1, number(1, ChannelCount::MAX.get() as u64);
        /// Which blocks may be chosen: production takes 1024 frames only.
        FIXED profile: Profile = Profile::Production, word(PROFILES);
        /// Frames of a block, a multiple of 128.
        FIXED block_frames: u64 = 1_024,
            number(BufferConstants::DEVELOPMENT_MIN.frames().0, BufferConstants::DEVELOPMENT_MAX.frames().0);
        /// The time that the ring behind the source bridges; two blocks at least.
        FIXED ring_ms: u64 = 200, number(1, 60_000);
        /// What becomes of frames for which the ring has no room.
        FIXED overflow: Overflow = Overflow::DropNewest, word(OVERFLOWS);
    }
    /// The pool of buffers.
    memory: MemoryConfig {
        /// The most bytes that all buffers together may take.
        FIXED budget_bytes: u64 = 52_428_800, number(PoolConfig::BUDGET_BYTES_MIN as u64, BYTES_MAX);
        /// The size classes, in samples (frames × channels). Above the largest there is one for each power of two up to 4194304, as far as
        /// there may be so many, which begin without buffers.
        FIXED class_samples: Vec<u64> = vec![256, 512, 1024, 2048, 4096],
            Allowed::Numbers {
                min: ClassConfig::SAMPLES_MIN as u64,
                max: ClassConfig::SAMPLES_MAX as u64,
                count_max: PoolConfig::CLASSES_MAX,
            };
        /// The most buffers of one class; what the budget holds bounds them, too.
        FIXED class_buffers_max: u64 = ClassConfig::BUFFERS_MAX as u64, number(1, ClassConfig::BUFFERS_MAX as u64);
        /// Buffers of each class that are there from the start.
        FIXED class_buffers_prewarm: u64 = 32, number(0, ClassConfig::BUFFERS_MAX as u64);
        /// Bytes that each thread may keep to itself for quick reuse; 0 turns that off.
        FIXED endpoint_cache_bytes: u64 = 327_680, number(0, 1 << 30);
        /// The most threads that may have such a cache at a time.
        FIXED endpoints_max: u64 = 64, number(0, 65_536);
    }
    /// What a pipeline does where its own settings don't say.
    flow: FlowConfig {
        /// What is done under back-pressure; running pipelines follow a change.
        LIVE strategy: Strategy = Strategy::Adaptive, word(STRATEGIES);
        /// Back-pressure begins at this fill of a link.
        FIXED pressure_on_percent: u8 = 90, number(1, 100);
        /// It ends at this fill.
        FIXED pressure_off_percent: u8 = 70, number(0, 99);
        /// How old a block may be when its result leaves; each that is older is counted as late.
        FIXED latency_ms_max: u64 = 30, number(1, 10_000);
        /// Who is served first.
        FIXED priority: Priority = Priority::High, word(PRIORITIES);
    }
    /// The threads that a flow runs on.
    threads: ThreadsConfig {
        /// Whether what is critical asks the system for real-time scheduling, where its sources keep time.
        FIXED real_time: bool = true, Allowed::Switch;
    }
    /// The queues of the event bus.
    events: EventsConfig {
        /// Records of an audio thread's ring of Critical events.
        FIXED critical_records: u64 = 256, number(16, 65_536);
        /// Records of its ring of High events.
        FIXED high_records: u64 = 1_024, number(16, 65_536);
        /// Records of its ring of Normal events.
        FIXED normal_records: u64 = 4_096, number(16, 65_536);
        /// Events that wait for one subscriber before it meets a gap.
        FIXED subscriber_events: u64 = 1_024, number(16, 65_536);
    }
    /// What is measured, and how often.
    metrics: MetricsConfig {
        /// The time from one sample to the next.
        LIVE sample_ms: u64 = 100, number(10, 1_000);
    }
    /// When somebody is told that something is wrong, and when that it is right again.
    alerts: AlertsConfig {
        /// The 99th percentile of the latency, from here on wrong; in proportion where a pipeline has a limit of its own.
        LIVE latency_ms_on: u64 = 30, number(1, 10_000);
        /// Right again.
        LIVE latency_ms_off: u64 = 20, number(0, 9_999);
        /// Frames lost of a million, from here on wrong.
        LIVE loss_ppm_on: u64 = 1_000, number(1, 1_000_000);
        /// Right again.
        LIVE loss_ppm_off: u64 = 100, number(0, 999_999);
        /// Memory used, in percent of the budget, from here on wrong.
        LIVE memory_percent_on: u8 = 90, number(1, 100);
        /// Right again.
        LIVE memory_percent_off: u8 = 75, number(0, 99);
        /// The health score, from here down wrong.
        LIVE score_on: u8 = 60, number(0, 99);
        /// Right again.
        LIVE score_off: u8 = 80, number(1, 100);
        /// How long it must last before it is told.
        LIVE hold_ms: u64 = 1_000, number(0, 600_000);
    }
    /// The console.
    console: ConsoleConfig {
        /// Whether the state of every buffer is told as it changes.
        LIVE debug: bool = false, Allowed::Switch;
        /// Whether events are told as they come.
        LIVE events: bool = false, Allowed::Switch;
    }
}

/// Chunks of so many samples are served, whatever classes are configured: 65536 frames of 64 channels.
const CHUNK_SAMPLES: usize = 1 << 22;

impl EventsConfig {
    /// What the bus is to be made of.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn bus(&self) -> BusConfig {
        // What 32 bits can't count no key allows.
        let records = |records: u64| usize::try_from(records).unwrap_or(65_536);
        let publisher_events =
            [records(self.critical_records), records(self.high_records), records(self.normal_records)];
        BusConfig { publisher_events, ..BusConfig::default() }
    }
}

impl MemoryConfig {
    /// What the pool is to be made of.
    ///
    /// Not RT-safe: allocates.
    pub fn pool(&self) -> PoolConfig {
        // What this machine can't address it can't hold either.
        let size = |number: u64| usize::try_from(number).unwrap_or(PoolConfig::BUDGET_BYTES_MAX);
        let budget_bytes = size(self.budget_bytes).min(PoolConfig::BUDGET_BYTES_MAX);
        let class = |samples: usize, buffers_prewarm: usize| {
            // More would be room in tables for what the budget never holds.
            let held = (budget_bytes / samples.saturating_mul(size_of::<f32>()).max(1)).max(1);
            let buffers_max = size(self.class_buffers_max).min(held).max(buffers_prewarm);
            ClassConfig { samples, buffers_max, buffers_prewarm }
        };
        let prewarm = size(self.class_buffers_prewarm);
        let mut classes: Vec<_> =
            self.class_samples.iter().map(|samples| class(size(*samples), prewarm)).collect();
        // A flow's blocks may hold more frames, and its sources more channels, than anybody configured for.
        let largest = classes.iter().map(|class| class.samples).max().unwrap_or(1);
        let more = PoolConfig::CLASSES_MAX.saturating_sub(classes.len());
        let larger =
            std::iter::successors(Some(largest.next_power_of_two()), |samples| samples.checked_mul(2));
        let larger = larger.filter(|samples| *samples > largest);
        classes.extend(
            larger
                .take_while(|samples| *samples <= CHUNK_SAMPLES)
                .take(more)
                .map(|samples| class(samples, 0)),
        );
        PoolConfig {
            classes,
            budget_bytes,
            endpoint_cache_bytes: size(self.endpoint_cache_bytes),
            endpoints_max: size(self.endpoints_max),
        }
    }
}
