// Made by `PCMFLOW_RENEW=1 cargo test -p pcmflow-engine typescript`; a test fails while it is out of date. Not to be edited.

/* What the engine tells about itself. Numbers are integers, with their unit in the name; `ppm` are parts per million. */

/** Something worth a person's attention. */
export type Alert = {
    /** The rule by which it was raised. */
    rule: string,
    /** What it is about: `link mic`, `pool main`. */
    subject: string,
    /** When it was raised. */
    since_ns: number,
    /** The rule's metric when it was last looked at. */
    value: number,
    /** Where the rule raises it. */
    limit: number,
    /** Why it was raised, for a person. */
    reason: string,
};

/** What an event bus did so far. The figures are read one after the other while the bus goes on. */
export type BusSnapshot = {
    /** Publishers that live, or whose events still wait. */
    publishers: number,
    /** Subscriptions that live. */
    subscriptions: number,
    /** Each type that was seen, by name. */
    types: Array<TypeSnapshot>,
};

/** How one size class does. What is counted counts since the sampler's baseline, the rest is as it is now. */
export type ClassSnapshot = {
    /** Samples each buffer holds. */
    samples: number,
    /** Buffers there are. */
    buffers: number,
    /** The most there may be. */
    buffers_max: number,
    /** Buffers somebody holds. */
    in_use: number,
    /** The most that were held at once, ever. */
    in_use_peak: number,
    /** Requests served at once. */
    hits: number,
    /** Requests that found the class exhausted. */
    misses: number,
    /** Bytes held. */
    held_bytes: number,
    /** Bytes of free buffers that can't be given back, per million of those of all buffers. */
    fragmentation_ppm: number,
};

/** What went through a link or a node in one span of time. */
export type FlowFigures = {
    /** How long the span in truth was: see `Sampler`. */
    duration_ns: number,
    /** Chunks that went through. */
    chunks: number,
    /** Chunks a second, rounded down. */
    chunks_per_s: number,
    /** Frames that went through. */
    frames: number,
    /** Frames a second, rounded down. */
    frames_per_s: number,
    /** Frames that were lost. */
    frames_dropped: number,
    /** Frames lost per million offered, rounded up. */
    dropped_ppm: number,
    /** Moments without room. */
    overruns: number,
    /** Moments without data: each span of [starvation](Self::starved) is one. */
    underruns: number,
    /** Failed operations. */
    errors: number,
    /** Failed operations per million chunks, rounded up. */
    errors_ppm: number,
    /** Chunks done too late. */
    deadlines_missed: number,
    /** Time spent on work. */
    busy_ns: number,
    /** Time spent on work, per million. */
    busy_ppm: number,
    /** From capture, or request, to here. */
    latency: LatencyFigures,
    /** Spans in which nothing was moved though it was due, for those causes that occurred: those that ended in this time, and the one under way at its end. */
    starved: { [key in Starved]?: Starvation },
    /** The health score, 0 to 100: see `health`. */
    score: number,
};

/** How the flow through a link, a node or a pipeline does. */
export type FlowSnapshot = {
    /** The latency that 99 % of the chunks should keep. */
    latency_limit_ns: number,
    /** Chunks that wait. */
    depth: number,
    /** The most chunks that waited; after a reset of the sampler, the most that it knows of. */
    depth_high: number,
    /** 0 to 100, of the last 10 s: see `health`. */
    score: number,
    /** Whether the score reaches what was configured. */
    is_healthy: boolean,
    /** The score of the last 10 s beside that of the last 60 s. */
    trend: Trend,
    /** Since the meter was made or the sampler reset; its duration is the uptime. */
    total: FlowFigures,
    /** In about the last second. */
    last_1_s: FlowFigures,
    /** In about the last 10 seconds. */
    last_10_s: FlowFigures,
    /** In about the last 60 seconds. */
    last_60_s: FlowFigures,
};

/** Latencies in a span of time, each known to 1/32; all 0 when there were none. */
export type LatencyFigures = {
    /** The mean. */
    mean_ns: number,
    /** The smallest; in a window to 1/16. */
    min_ns: number,
    /** The largest; in a window to 1/16. */
    max_ns: number,
    /** What half of the chunks do not exceed. */
    p50_ns: number,
    /** What 95 % of them do not exceed. */
    p95_ns: number,
    /** What 99 % of them do not exceed. */
    p99_ns: number,
    /** What 99.9 % of them do not exceed. */
    p99_9_ns: number,
};

/** Books: what went in and what became of it, in frames of the source. */
export type LedgerSnapshot = {
    /** Frames that the source made. */
    frames_in: number,
    /** Frames that consumers got. */
    delivered: number,
    /** Frames given up, by cause. */
    dropped: Losses,
    /** Frames on their way: while it runs, all that are neither delivered nor dropped. */
    in_flight: number,
    /** Frames that none of these explains. While it runs, those before `settled_position`, and those that came twice or were left out at its end; when it is at rest, all. */
    unaccounted: number,
    /** The position up to which the books were compared while the flow went on; none before the first time. */
    settled_position: number | null,
    /** Frames before it that are unaccounted for. Anything but 0 is a bug of ours. */
    settled_unaccounted: number,
};

/** A link between two nodes. */
export type LinkSnapshot = {
    /** The node that fills it. */
    from: string,
    /** The node that empties it. */
    to: string,
    /** Chunks in it. */
    fill: number,
    /** Chunks it can hold. */
    capacity: number,
    /** What is done when it fills up. */
    strategy: Strategy,
    /** Whether, how often and how long it was nearly full. */
    pressure: PressureStats,
    /** Frames lost here, by cause. */
    lost: Losses,
    /** What goes through it. */
    flow: FlowSnapshot,
};

/** A node: a source, a transformation or a consumer. */
export type NodeSnapshot = {
    /** What it does, in one lower-case word. */
    state: string,
    /** What it failed with. */
    error: string | null,
    /** What goes through it. */
    flow: FlowSnapshot,
};

/** A pipeline: what enters it and what becomes of it. */
export type PipelineSnapshot = {
    /** What it does, in one lower-case word. */
    state: string,
    /** How urgent it is. */
    priority: Priority,
    /** Its links, from the source on, by name. */
    links: Array<string>,
    /** From capture to its end. */
    flow: FlowSnapshot,
    /** Its books. */
    ledger: LedgerSnapshot,
};

/** How a pool does. What is counted counts since the sampler's baseline, the rest is as it is now. */
export type PoolSnapshot = {
    /** Bytes held. */
    held_bytes: number,
    /** The most bytes ever held. */
    held_bytes_peak: number,
    /** The most bytes that may be held. */
    budget_bytes: number,
    /** Bytes held that are not samples. */
    overhead_bytes: number,
    /** Those, per million of the bytes held. */
    overhead_ppm: number,
    /** Bytes of free buffers that can't be given back, per million of those of all buffers. */
    fragmentation_ppm: number,
    /** Buffers somebody holds. */
    in_use: number,
    /** Free buffers that endpoints keep for themselves. */
    cached: number,
    /** Free buffers. */
    free: number,
    /** Buffers handed out. */
    acquisitions: number,
    /** Buffers that came back. */
    releases: number,
    /** Requests served at once. */
    hits: number,
    /** Requests that found their class exhausted. */
    misses: number,
    /** Hits per million requests; none without requests. */
    hit_rate_ppm: number | null,
    /** The same in the last 10 s. */
    hit_rate_10_s_ppm: number | null,
    /** Buffers copied on write. */
    copies: number,
    /** Requests that were too large for any class. */
    too_large: number,
    /** The classes, smallest first. */
    classes: Array<ClassSnapshot>,
};

export type PressureStats = { active: boolean, episodes: number, current_ns: number, total_ns: number, };

/** How urgent something is, the most urgent first.  | priority | from publishing to the handler | what runs it | | --- | --- | --- | | Critical | under 1 ms | an executor of its own | | High | under 5 ms | shared workers, before Normal | | Normal | under 100 ms | shared workers | */
export type Priority = "critical" | "high" | "normal";

/** Everything that is known at one moment; everything with a name by its name. */
export type Snapshot = {
    /** `Snapshot::VERSION`; another one is not read. */
    version: number,
    /** When it was taken. */
    at_ns: number,
    /** How long the program runs. */
    uptime_ns: number,
    /** The pipelines. */
    pipelines: { [key in string]: PipelineSnapshot },
    /** The links. */
    links: { [key in string]: LinkSnapshot },
    /** The nodes. */
    nodes: { [key in string]: NodeSnapshot },
    /** The pools. */
    pools: { [key in string]: PoolSnapshot },
    /** The event bus. */
    events: BusSnapshot,
    /** What is worth a person's attention now. */
    alerts: Array<Alert>,
    /** The books of all pipelines together. */
    ledger: LedgerSnapshot,
};

/** How often and how long nothing was moved for one cause. */
export type Starvation = {
    /** How many spans there were: of a `Reading` those that are over, of [figures](super::FlowFigures) also the one under way. */
    episodes: number,
    /** How long they lasted in all, the one under way included. */
    ns: number,
};

/** Why nothing was moved though it was due. */
export type Starved = "upstream_empty" | "not_moved";

/** What is done about a link that fills up. */
export type Strategy = "throttle" | "buffer" | "drop-oldest" | "drop-newest" | "block" | "adaptive";

export type Trend = "unknown" | "improving" | "steady" | "worsening";

/** What became of the events of one type.  When nothing is moving, what was published is `taken + lost_by_publishers`, and, as often as a subscription was there for it, each one taken was `delivered` or `lost_by_subscribers`. */
export type TypeSnapshot = {
    /** Its name. */
    name: string,
    /** Its priority. */
    priority: Priority,
    /** Events that the bus took from publishers. */
    taken: number,
    /** Events that found their publisher's ring full. */
    lost_by_publishers: number,
    /** Events put into subscribers' queues, counted for each. */
    delivered: number,
    /** Events that found a subscriber's queue full, counted for each. */
    lost_by_subscribers: number,
};

/** Why frames were lost. */
export type LossCause = "overflow" | "deadline" | "corrupt" | "dead_module" | "device" | "removed" | "shed";

/** Lost frames, by cause; none stands for a cause by which nothing was lost. */
export type Losses = { [key in LossCause]?: number };

/** The events of the engine, by name, each with its fields; before it stands how urgent it is. */
export interface EventFields {
    /** critical. */
    critical_lost: { events: number },
    /** normal. */
    data_management_ready: { pool: string, buffers: number, pool_bytes: number },
    /** critical. */
    buffer_allocation: { pool: string, class_samples: number, hit: boolean, in_use_buffers: number },
    /** critical. */
    buffer_recycling: { pool: string, class_samples: number, buffers: number, in_use_buffers: number },
    /** normal. */
    pool_optimization: { pool: string, class_samples: number, buffers_before: number, buffers_after: number, pool_bytes: number },
    /** normal. */
    pool_fragmentation: { pool: string, fragmentation_ppm: number, pool_bytes: number },
    /** high. */
    js_gc_pressure: { allocations_per_s: number, bytes_per_s: number, allowed_bytes_per_s: number },
    /** normal. */
    buffer_utilization: { pool: string, class_samples: number, in_use_buffers: number, buffers: number },
    /** normal. */
    pipeline_registered: { pipeline: string, from: string, to: string, priority: "critical" | "high" | "normal" },
    /** normal. */
    pipeline_removed: { pipeline: string, frames_lost: number },
    /** normal. */
    data_flow_started: { pipeline: string, position: number, rate_hz: number, channels: number },
    /** normal. */
    data_flow_ended: { pipeline: string, frames: number, frames_lost: number, duration_ns: number },
    /** high. */
    backpressure_detected: { pipeline: string, slow: string, queued_chunks: number, capacity_chunks: number },
    /** high. */
    backpressure_cleared: { pipeline: string, slow: string, duration_ns: number },
    /** high. */
    strategy_changed: { pipeline: string, from: "throttle" | "buffer" | "drop-oldest" | "drop-newest" | "block" | "adaptive", to: "throttle" | "buffer" | "drop-oldest" | "drop-newest" | "block" | "adaptive", reason: "exhausted" | "calm" | "other_producer" },
    /** critical. */
    pipeline_failure: { pipeline: string, module: string, kind: "stalled" | "sequence_gap" | "corrupt" | "dead_module", position: number },
    /** high. */
    flow_recovery: { pipeline: string, attempts: number, down_ns: number, frames_lost: number },
    /** high. */
    format_changed: { stream: string, position: number, rate_hz: number, channels: number },
    /** critical. */
    deadline_missed: { pipeline: string, position: number, late_ns: number },
    /** critical. */
    gap_opened: { edge: string, position: number, frames: number, cause: "overflow" | "deadline" | "corrupt" | "dead_module" | "device" | "removed" | "shed" },
    /** high. */
    source_started: { source: string, rate_hz: number, channels: number },
    /** high. */
    source_stopped: { source: string, position: number, as_planned: boolean },
    /** critical. */
    task_panicked: { task: string, panics: number },
    /** normal. */
    config_changed: { revision: number, keys: number },
    /** high. */
    alert_raised: { alert: string, subject: string, value: number, limit: number },
    /** high. */
    alert_cleared: { alert: string, subject: string, value: number, duration_ns: number },
    /** high. */
    module_state_changed: { module: string, from: "registered" | "initialised" | "running" | "stopped" | "failed", to: "registered" | "initialised" | "running" | "stopped" | "failed" },
    /** high. */
    platform_changed: { fact: "cpu_thousandths" | "memory_bytes" | "lockable_bytes" | "real_time_priority" | "real_time_run_us" | "nice_share" | "timer_resolution_ns" | "threads" | "shared_memory", before: number, after: number },
}

/** The name of an event. */
export type EventName = keyof EventFields;
