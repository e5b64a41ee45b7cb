//! Events: what publishing takes on an audio thread, beside a bare push of 64 bytes into a ring.
//!
//! Batches of 64 are timed; what takes them does so between two batches and is not in the figures. In `Events` that is the same
//! thread: the lines are in its cache. In `Events-two` it is another core's, as the bus's mostly is: then what a push takes is mostly
//! that the lines come back. Every event is looked at.

use crate::experiment::{Contender, Experiment, Figures, Kind, ROUND};
use crate::harness::{Cores, pin, run_two};
use crate::queues::{Ours, Queue, Rtrb};
use pcmflow::engine::event::{
    BusConfig, Event, EventBus, NameId, Publisher, Received, Stamped, Subscription,
};
use pcmflow::engine::task::{Executor, StepClock};
use pcmflow::engine::{Priority, events};
use std::hint::{black_box, spin_loop};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Events, or lines, of a ring.
const CAPACITY: usize = 256;
/// How many are timed together.
const BATCH: u64 = 64;

/// As much as an event in a ring.
type Line = [u64; 8];

events! {
    /// An urgent one, as long as they get.
    pub(crate) struct Urgent: Critical {
        /// Its number, five times.
        pub(crate) a: u64, pub(crate) b: u64, pub(crate) c: u64, pub(crate) d: u64, pub(crate) e: u64,
    }

    /// One of the middle.
    pub(crate) struct Soon: High {
        /// Its number, five times.
        pub(crate) a: u64, pub(crate) b: u64, pub(crate) c: u64, pub(crate) d: u64, pub(crate) e: u64,
    }

    /// A usual one.
    pub(crate) struct Usual: Normal {
        /// Its number, five times.
        pub(crate) a: u64, pub(crate) b: u64, pub(crate) c: u64, pub(crate) d: u64, pub(crate) e: u64,
    }
}

/// The events of one type: published, carried by the bus, received.
struct Published<E>(PhantomData<E>);

struct Receiver<E> {
    executor: Executor,
    clock: StepClock,
    subscription: Subscription<Stamped<E>>,
}

impl<E: Event> Queue<Line> for Published<E> {
    type Sender = Publisher;
    type Receiver = Receiver<E>;
    fn split(capacity: usize) -> (Publisher, Receiver<E>) {
        let (mut executor, spawner) = Executor::new(1).expect("room for one task");
        let config = BusConfig { publisher_events: [capacity; Priority::ALL.len()], ..BusConfig::default() };
        let (bus, task) = EventBus::new(config);
        spawner.spawn(Priority::Critical, Box::new(task)).expect("room for one task");
        let subscription = bus.subscribe(capacity).expect("memory for one queue");
        let publisher = bus.audio_publisher(NameId::NONE).expect("memory for its rings");
        let clock = StepClock::default();
        executor.run(&clock);
        (publisher, Receiver { executor, clock, subscription })
    }
    #[inline]
    fn push(publisher: &mut Publisher, line: Line) -> bool {
        let [a, b, c, d, e, ..] = line;
        publisher.publish(&E::from_words(&[a, b, c, d, e]), line[7])
    }
    fn pop(receiver: &mut Receiver<E>) -> Option<Line> {
        let Receiver { executor, clock, subscription } = receiver;
        let told = subscription.receive().or_else(|| {
            // Later: the bus looks at an audio thread's ring by time.
            clock.advance(1_000_000);
            executor.run(clock);
            subscription.receive()
        })?;
        let Received::Event(Stamped { event, time_ns, .. }) = told else { panic!("an event was lost") };
        let [a, b, c, d, e] = event.to_words();
        Some([a, b, c, d, e, 0, 0, time_ns])
    }
}

fn line(number: u64) -> Line {
    [number; 8]
}

fn check<Q: Queue<Line>>(receiver: &mut Q::Receiver, number: u64) -> bool {
    let Some(line) = Q::pop(receiver) else { return false };
    assert!(
        line[..5] == [number; 5] && line[7] == number,
        "event {number} was lost, doubled or torn: {line:?}"
    );
    true
}

/// Times the pushes of one batch.
fn batch<Q: Queue<Line>>(sender: &mut Q::Sender, from: u64) -> Duration {
    let start = Instant::now();
    for number in from..from + BATCH {
        let taken = Q::push(sender, black_box(line(number)));
        assert!(taken, "the ring holds more than a batch");
    }
    start.elapsed()
}

fn one_thread<Q: Queue<Line>>(operations: u64, cores: Cores) -> Vec<f64> {
    pin(cores.0);
    let (mut sender, mut receiver) = Q::split(CAPACITY);
    let (mut took, batches) = (Duration::ZERO, operations.div_ceil(BATCH));
    for number in 0..batches {
        took += batch::<Q>(&mut sender, number * BATCH);
        for number in number * BATCH..(number + 1) * BATCH {
            assert!(check::<Q>(&mut receiver, number), "event {number} did not come");
        }
    }
    vec![took.as_nanos() as f64 / (batches * BATCH) as f64]
}

fn two_threads<Q: Queue<Line>>(operations: u64, cores: Cores) -> Vec<f64> {
    #[repr(align(128))]
    struct Taken(AtomicU64);
    let (mut sender, mut receiver) = Q::split(CAPACITY);
    let (taken, batches) = (Taken(AtomicU64::new(0)), operations.div_ceil(BATCH));
    let publish = || {
        let mut took = Duration::ZERO;
        for number in 0..batches {
            while taken.0.load(Ordering::Acquire) < number * BATCH {
                spin_loop();
            }
            took += batch::<Q>(&mut sender, number * BATCH);
        }
        took
    };
    let receive = || {
        for number in 0..batches * BATCH {
            while !check::<Q>(&mut receiver, number) {
                spin_loop();
            }
            taken.0.store(number + 1, Ordering::Release);
        }
    };
    let (took, (), _) = run_two(cores, publish, receive);
    vec![took.as_nanos() as f64 / (batches * BATCH) as f64]
}

fn contenders(round: [fn(u64, Cores) -> Vec<f64>; 5]) -> Vec<Contender> {
    let contender = |name, kind, round| Contender { name, kind, verify: |_| (), round };
    let [ours, rtrb, critical, high, normal] = round;
    vec![
        contender("bare push of 64 bytes into our ring", Kind::Limit, ours),
        contender("bare push of 64 bytes into rtrb", Kind::Peer, rtrb),
        contender("publish, Critical", Kind::Ours, critical),
        contender("publish, High", Kind::Ours, high),
        contender("publish, Normal", Kind::Ours, normal),
    ]
}

/// One thread publishes and, between batches, takes.
pub(crate) fn one() -> Experiment {
    Experiment {
        name: "Events",
        title: "publish on one thread: ns an event of 64 bytes",
        figures: Figures::Mean,
        round: ROUND,
        contenders: contenders([
            one_thread::<Ours>,
            one_thread::<Rtrb>,
            one_thread::<Published<Urgent>>,
            one_thread::<Published<Soon>>,
            one_thread::<Published<Usual>>,
        ]),
    }
}

/// Another core takes what is published.
pub(crate) fn two() -> Experiment {
    Experiment {
        name: "Events-two",
        title: "publish what another core takes: ns an event of 64 bytes",
        figures: Figures::Mean,
        round: ROUND,
        contenders: contenders([
            two_threads::<Ours>,
            two_threads::<Rtrb>,
            two_threads::<Published<Urgent>>,
            two_threads::<Published<Soon>>,
            two_threads::<Published<Usual>>,
        ]),
    }
}
