//! Flood: a million Normal events a second from two threads, while a third publishes a Critical one every millisecond.
//!
//! A worker drives the bus and the task that handles the Critical events; another one handles the High ones, of which there is one
//! every millisecond too, and the Normal ones. Every Critical event must arrive; for each kind, what was published must be what was
//! received and the gaps, which must be what the bus counted as lost.

use crate::engine::{granted, worker};
use crate::events::{Soon, Urgent, Usual};
use crate::experiment::Size;
use crate::harness::Cores;
use crate::tail::Tail;
use crate::witness::Witness;
use pcmflow::engine::Priority;
use pcmflow::engine::event::{
    BusConfig, Event, EventBus, NameId, Publisher, Received, Stamped, Subscription, TypeSnapshot,
};
use pcmflow::engine::task::{Cx, Poll, Task};
use pcmflow::runtime::Clock;
use pcmflow::runtime::thread::RealTime;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

/// Normal events a second, of both threads.
const NORMAL_PER_S: u64 = 1_000_000;
const THREADS: u64 = 2;
/// How often a thread of the flood gets up to publish what is due.
const BURST: Duration = Duration::from_micros(100);
/// How often a Critical event is published, and a High one behind it.
const EVERY: Duration = Duration::from_millis(1);
/// Of so many Normal events the latency of one is noted.
const NORMAL_NOTED: u64 = 64;
const KINDS: usize = 3;

/// One row's circumstances.
#[derive(Clone, Copy)]
struct Way {
    /// The bus's worker and the thread of Critical events ask for real-time scheduling.
    real_time: bool,
    /// That thread stands for an audio callback, and wakes nobody.
    audio: bool,
}

const WAYS: [Way; 4] = [
    Way { real_time: true, audio: false },
    Way { real_time: true, audio: true },
    Way { real_time: false, audio: false },
    Way { real_time: false, audio: true },
];

/// What a subscription's handler saw.
#[derive(Default)]
struct Count {
    received: AtomicU64,
    gaps: AtomicU64,
}

struct Handler<E> {
    subscription: Subscription<Stamped<E>>,
    count: Arc<Count>,
    /// Where the latency of one of so many goes.
    tail: Arc<Mutex<Tail>>,
    noted: u64,
}

impl<E: Event> Task for Handler<E> {
    fn poll(&mut self, cx: &mut Cx<'_>) -> Poll {
        // Relaxed: numbers alone. Only this task writes them.
        let add = |to: &AtomicU64, more| to.store(to.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        let mut tail = self.tail.lock().expect("nobody panicked");
        while cx.spend() {
            match self.subscription.receive() {
                Some(Received::Event(told)) => {
                    if self.count.received.load(Ordering::Relaxed).is_multiple_of(self.noted) {
                        tail.add(cx.now_ns().saturating_sub(told.time_ns));
                    }
                    add(&self.count.received, 1);
                }
                Some(Received::Gap(events)) => add(&self.count.gaps, events),
                None => return Poll::Idle,
            }
        }
        Poll::Again
    }
}

/// What one way came to.
struct Row {
    granted: String,
    kinds: [Kind; KINDS],
    host: String,
}

/// What became of the events of one priority.
struct Kind {
    published: u64,
    told: TypeSnapshot,
    latencies: Vec<f64>,
}

/// The table, and whether everything Critical came.
pub(crate) fn report(size: Size, cores: Cores) -> String {
    let mut text = "### Flood a million Normal events a second beside a Critical and a High one every millisecond\n\n\
        | worker of the bus; Critical and High published by | events | published | a second | received | lost by publishers \
        | lost by the subscription | p50 µs | p99 µs | p99.9 µs | max µs |\n"
        .to_owned();
    let _ = writeln!(text, "| --- | --- |{}", " --: |".repeat(9));
    let (mut missing, mut notes) = (0, String::new());
    let time = size.row();
    for way in WAYS {
        let row = run(way, time, cores);
        let by =
            if way.audio { "an audio thread, which wakes nobody" } else { "a thread that wakes the bus" };
        for (priority, Kind { published, told, latencies }) in Priority::ALL.iter().zip(&row.kinds) {
            let latencies: Vec<String> = latencies.iter().map(|ns| format!("{:.1}", ns / 1000.0)).collect();
            let _ = writeln!(
                text,
                "| **{}; {by}** | {priority:?} | {published} | {:.0} | {} | {} | {} | {} |",
                row.granted,
                *published as f64 / time.as_secs_f64(),
                told.delivered,
                told.lost_by_publishers,
                told.lost_by_subscribers,
                latencies.join(" | "),
            );
        }
        missing += row.kinds[0].published - row.kinds[0].told.delivered;
        let _ = writeln!(notes, "- {}; {by}: {}", row.granted, row.host);
    }
    let word = if missing == 0 { "met" } else { "missed" };
    let _ = writeln!(
        text,
        "\n- floor {word}: {missing} Critical events lost; the floor is none\n\
         - from publishing until a handler has it, High and Normal by a worker without real-time scheduling; one Normal of {NORMAL_NOTED}\n\
         - for each row, published = received + gaps, and the gaps are what the bus counted as lost\n{notes}"
    );
    text
}

fn run(way: Way, time: Duration, cores: Cores) -> Row {
    let clock = Clock::start();
    let urgent = worker("bus", clock, way.real_time);
    let shared = worker("normal", clock, false);
    let (bus, task) = EventBus::new(BusConfig::default());
    urgent.spawner().spawn(Priority::Critical, Box::new(task)).expect("room for the bus's task");
    let counts: [Arc<Count>; KINDS] = Default::default();
    let beats = time.as_millis() as u64 + 1000;
    let tails = [2 * beats, 2 * beats, beats * NORMAL_PER_S / 1000 / NORMAL_NOTED]
        .map(|noted| Arc::new(Mutex::new(Tail::with_capacity(noted))));
    // Each handler is woken by its own subscription; the bus has to know it before anything is published.
    handled::<Urgent>(&urgent, &bus, 256, 1, &counts[0], &tails[0]);
    handled::<Soon>(&shared, &bus, 256, 1, &counts[1], &tails[1]);
    handled::<Usual>(&shared, &bus, 4096, NORMAL_NOTED, &counts[2], &tails[2]);
    let mut witness = Witness::start(cores, clock);
    let until = Instant::now() + time;
    let published: [u64; KINDS] = scope(|scope| {
        let floods: Vec<_> = (0..THREADS)
            .map(|_| {
                let publisher = bus.publisher(NameId::NONE).expect("memory for its rings");
                scope.spawn(move || flood(publisher, clock, until))
            })
            .collect();
        let publisher =
            if way.audio { bus.audio_publisher(NameId::NONE) } else { bus.publisher(NameId::NONE) };
        let publisher = publisher.expect("memory for its rings");
        let beat = scope.spawn(move || beat(publisher, clock, until, way));
        witness.watch(time);
        let beats = beat.join().expect("a thread that publishes");
        let normal = floods.into_iter().map(|flood| flood.join().expect("a thread that publishes")).sum();
        [beats, beats, normal]
    });
    let host = witness.end().describe();
    let types = [Urgent::TYPE, Soon::TYPE, Usual::TYPE];
    let books: [TypeSnapshot; KINDS] = std::array::from_fn(|kind| {
        // What is on its way arrives yet.
        let (of, published, since) = (types[kind], published[kind], Instant::now());
        loop {
            let told = bus.snapshot().of(of).cloned();
            let [received, gaps] =
                [&counts[kind].received, &counts[kind].gaps].map(|n| n.load(Ordering::Relaxed));
            if let Some(told) = told.filter(|_| received + gaps == published) {
                assert_eq!(told.taken + told.lost_by_publishers, published, "{told:?}");
                assert_eq!(gaps, told.lost_by_publishers + told.lost_by_subscribers, "{told:?}");
                assert_eq!(received, told.delivered, "{told:?}");
                break told;
            }
            let why = format!("{}: {published} published, {received} received, {gaps} in gaps", of.name());
            assert!(since.elapsed() < Duration::from_secs(10), "{why}: {:?}", bus.snapshot());
            sleep(Duration::from_millis(1));
        }
    });
    let granted = granted(&urgent);
    assert_eq!((urgent.stop().1, shared.stop().1), (0, 0), "a task panicked");
    let mut kinds = published.into_iter().zip(books).zip(&tails).map(|((published, told), tail)| {
        let tail = std::mem::replace(&mut *tail.lock().expect("nobody panicked"), Tail::with_capacity(0));
        Kind { published, told, latencies: tail.figures() }
    });
    let kinds = std::array::from_fn(|_| kinds.next().expect("as many as there are"));
    Row { granted, kinds, host }
}

/// Has this worker handle all events of a type.
fn handled<E: Event>(
    worker: &pcmflow::runtime::Worker,
    bus: &EventBus,
    events: usize,
    noted: u64,
    count: &Arc<Count>,
    tail: &Arc<Mutex<Tail>>,
) {
    let subscription = bus.subscribe::<E>(events).expect("memory for a queue");
    let handler = Handler { subscription, count: count.clone(), tail: tail.clone(), noted };
    woken(worker, E::TYPE.priority(), handler);
}

/// Brings the handler to the worker, to be woken by what it handles.
fn woken<E: Event>(worker: &pcmflow::runtime::Worker, priority: Priority, handler: Handler<E>) {
    /// Tells the bus by whom it is woken, when it knows itself.
    struct First<E>(Handler<E>, bool);
    impl<E: Event> Task for First<E> {
        fn poll(&mut self, cx: &mut Cx<'_>) -> Poll {
            if !std::mem::replace(&mut self.1, true) {
                self.0.subscription.set_waker(cx.waker().clone());
            }
            self.0.poll(cx)
        }
    }
    worker.spawner().spawn(priority, Box::new(First(handler, false))).expect("room for a handler");
}

/// Publishes its share of the flood; how many.
fn flood(mut publisher: Publisher, clock: Clock, until: Instant) -> u64 {
    let (start, mut sent) = (Instant::now(), 0);
    while Instant::now() < until {
        let due = (start.elapsed().as_nanos() as u64) * (NORMAL_PER_S / THREADS) / 1_000_000_000;
        let now_ns = clock.now_ns();
        while sent < due {
            let _ = publisher.publish(&Usual { a: sent, b: 0, c: 0, d: 0, e: 0 }, now_ns);
            sent += 1;
        }
        publisher.wake();
        sleep(BURST);
    }
    sent
}

/// Publishes a Critical event every millisecond, and a High one; how many of each.
fn beat(mut publisher: Publisher, clock: Clock, until: Instant, way: Way) -> u64 {
    let _raised = way.real_time.then(|| RealTime::every(EVERY).raise());
    let mut sent = 0;
    let mut due = Instant::now();
    while due < until {
        sleep(due.saturating_duration_since(Instant::now()));
        let (urgent, soon) =
            (Urgent { a: sent, b: 0, c: 0, d: 0, e: 0 }, Soon { a: sent, b: 0, c: 0, d: 0, e: 0 });
        let _ = publisher.publish(&urgent, clock.now_ns());
        let _ = publisher.publish(&soon, clock.now_ns());
        if !way.audio {
            publisher.wake();
        }
        sent += 1;
        due += EVERY;
    }
    sent
}
