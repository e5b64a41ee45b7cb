//! Flood: a million Normal events a second from two threads, while a third publishes a Critical one every millisecond.
//!
//! A worker drives the bus and the task that handles the Critical events; another one handles the Normal ones. Every Critical
//! event must arrive; for either kind, what was published must be what was received and the gaps, which must be what the
//! bus counted as lost.

use crate::engine::{granted, worker};
use crate::events::{Urgent, Usual};
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
/// How often a Critical event is published.
const EVERY: Duration = Duration::from_millis(1);

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
    /// Where latencies go, for Critical events.
    tail: Option<Arc<Mutex<Tail>>>,
}

impl<E: Event> Task for Handler<E> {
    fn poll(&mut self, cx: &mut Cx<'_>) -> Poll {
        // Relaxed: numbers alone. Only this task writes them.
        let add = |to: &AtomicU64, more| to.store(to.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        let mut tail = self.tail.as_ref().map(|tail| tail.lock().expect("nobody panicked"));
        while cx.spend() {
            match self.subscription.receive() {
                Some(Received::Event(told)) => {
                    if let Some(tail) = &mut tail {
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
    published: [u64; 2],
    received: [u64; 2],
    /// Of the Normal ones: by publishers, by the subscription.
    lost: [u64; 2],
    latencies: Vec<f64>,
    seconds: f64,
    host: String,
}

/// The table, and whether everything Critical came.
pub(crate) fn report(size: Size, cores: Cores) -> String {
    let mut text = "### Flood a million Normal events a second beside a Critical one every millisecond\n\n\
        | worker of the bus; Critical published by | Critical published | received | p50 µs | p99 µs | p99.9 µs | max µs \
        | Normal published | a second | received | lost by publishers | lost by the subscription |\n"
        .to_owned();
    let _ = writeln!(text, "| --- |{}", " --: |".repeat(11));
    let (mut missing, mut notes) = (0, String::new());
    for way in WAYS {
        let row = run(way, size.row(), cores);
        let by =
            if way.audio { "an audio thread, which wakes nobody" } else { "a thread that wakes the bus" };
        let latencies: Vec<String> = row.latencies.iter().map(|ns| format!("{:.1}", ns / 1000.0)).collect();
        let _ = writeln!(
            text,
            "| **{}; {by}** | {} | {} | {} | {} | {:.0} | {} | {} | {} |",
            row.granted,
            row.published[0],
            row.received[0],
            latencies.join(" | "),
            row.published[1],
            row.published[1] as f64 / row.seconds,
            row.received[1],
            row.lost[0],
            row.lost[1],
        );
        missing += row.published[0] - row.received[0];
        let _ = writeln!(notes, "- {}; {by}: {}", row.granted, row.host);
    }
    let word = if missing == 0 { "met" } else { "missed" };
    let _ = writeln!(
        text,
        "\n- floor {word}: {missing} Critical events lost; the floor is none\n\
         - for each row and kind, published = received + gaps, and the gaps are what the bus counted as lost\n{notes}"
    );
    text
}

fn run(way: Way, time: Duration, cores: Cores) -> Row {
    let clock = Clock::start();
    let urgent = worker("bus", clock, way.real_time);
    let shared = worker("normal", clock, false);
    let (bus, task) = EventBus::new(BusConfig::default());
    urgent.spawner().spawn(Priority::Critical, Box::new(task)).expect("room for the bus's task");
    let critical = bus.subscribe::<Urgent>(256).expect("memory for a queue");
    let normal = bus.subscribe::<Usual>(4096).expect("memory for a queue");
    let counts: [Arc<Count>; 2] = Default::default();
    let tail = Arc::new(Mutex::new(Tail::with_capacity(2 * time.as_millis() as u64 + 1000)));
    // Each handler is woken by its own subscription; the bus has to know it before anything is published.
    let handler = Handler { subscription: critical, count: counts[0].clone(), tail: Some(tail.clone()) };
    woken(&urgent, Priority::Critical, handler);
    woken(&shared, Priority::Normal, Handler { subscription: normal, count: counts[1].clone(), tail: None });
    let mut witness = Witness::start(cores, clock);
    let until = Instant::now() + time;
    let (sent_critical, sent_normal) = scope(|scope| {
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
        let critical = beat.join().expect("a thread that publishes");
        let normal = floods.into_iter().map(|flood| flood.join().expect("a thread that publishes")).sum();
        (critical, normal)
    });
    let host = witness.end().describe();
    let published = [sent_critical, sent_normal];
    let books = [Urgent::TYPE, Usual::TYPE].map(|of| {
        // What is on its way arrives yet.
        let index = usize::from(of == Usual::TYPE);
        let since = Instant::now();
        loop {
            let told = bus.snapshot().of(of).cloned();
            let [received, gaps] =
                [&counts[index].received, &counts[index].gaps].map(|n| n.load(Ordering::Relaxed));
            if let Some(told) = told.filter(|_| received + gaps == published[index]) {
                assert_eq!(told.taken + told.lost_by_publishers, published[index], "{told:?}");
                assert_eq!(gaps, told.lost_by_publishers + told.lost_by_subscribers, "{told:?}");
                assert_eq!(received, told.delivered, "{told:?}");
                break told;
            }
            let why =
                format!("{}: {} published, {received} received, {gaps} in gaps", of.name(), published[index]);
            assert!(since.elapsed() < Duration::from_secs(10), "{why}: {:?}", bus.snapshot());
            sleep(Duration::from_millis(1));
        }
    });
    let [critical, normal]: [TypeSnapshot; 2] = books;
    let granted = granted(&urgent);
    assert_eq!((urgent.stop().1, shared.stop().1), (0, 0), "a task panicked");
    let tail = std::mem::replace(&mut *tail.lock().expect("nobody panicked"), Tail::with_capacity(0));
    Row {
        granted,
        published,
        received: [critical.delivered, normal.delivered],
        lost: [normal.lost_by_publishers, normal.lost_by_subscribers],
        latencies: tail.figures(),
        seconds: time.as_secs_f64(),
        host,
    }
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

/// Publishes a Critical event every millisecond; how many.
fn beat(mut publisher: Publisher, clock: Clock, until: Instant, way: Way) -> u64 {
    let _raised = way.real_time.then(|| RealTime::every(EVERY).raise());
    let mut sent = 0;
    let mut due = Instant::now();
    while due < until {
        sleep(due.saturating_duration_since(Instant::now()));
        let event = Urgent { a: sent, b: 0, c: 0, d: 0, e: 0 };
        let now_ns = clock.now_ns();
        let _ = if way.audio {
            publisher.publish(&event, now_ns)
        } else {
            publisher.publish_and_wake(&event, now_ns)
        };
        sent += 1;
        due += EVERY;
    }
    sent
}
