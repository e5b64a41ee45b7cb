//! Links of handles: the slots of the one that evicts with a stand-in for handles, and both with chunks of a pool.

use super::explore;
use loom::thread;
use pcmflow_core::chunk::slots::{InWords, SlotsIn, SlotsOut, slots};
use pcmflow_core::chunk::{AudioChunk, AudioRingBuffer, ChunkConsumer, ChunkMeta, ChunkProducer, Packet};
use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow_core::ledger::{CutMark, LossCause, Losses, Timeline};
use pcmflow_core::pool::{BufferRecyclingPool, ClassConfig, Miss, PoolConfig};
use pcmflow_core::ring::RingError;
use pcmflow_core::stream::Mark;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A handle that adds to a sum when it is dropped: twice, or never, and the sum is wrong. Of two words, to be seen torn.
struct Handle {
    number: u64,
    /// Leaked, so that a handle which is dropped twice is counted, and frees nothing twice.
    drops: &'static AtomicU64,
}

/// What handle `number` adds.
fn weight(number: u64) -> u64 {
    1 << (8 * number)
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.drops.fetch_add(weight(self.number), Ordering::Relaxed);
    }
}

impl InWords<1> for Handle {
    fn into_words(self) -> (*mut (), [u64; 1]) {
        let this = std::mem::ManuallyDrop::new(self);
        // The low bits of a pointer to 8 aligned bytes hold the number once more.
        let pointer = ptr::from_ref(this.drops).cast::<()>().cast_mut();
        (pointer.map_addr(|address| address | this.number as usize), [this.number])
    }

    unsafe fn from_words(pointer: *mut (), [number]: [u64; 1]) -> Self {
        assert_eq!(pointer.addr() as u64 & 7, number, "a torn handle");
        let drops = pointer.map_addr(|address| address & !7).cast::<AtomicU64>();
        // SAFETY: the sum was leaked, and the pointer is that of a reference to it.
        Self { number, drops: unsafe { &*drops } }
    }
}

/// Slots, `count` handles for them, and their sum.
fn handles(
    capacity: usize,
    count: u64,
) -> (SlotsIn<Handle, 1>, SlotsOut<Handle, 1>, Vec<Handle>, &'static AtomicU64) {
    let (put, take) = slots(capacity).unwrap();
    let drops = &*Box::leak(Box::new(AtomicU64::new(0)));
    let handles = (0..count).map(|number| Handle { number, drops }).collect();
    (put, take, handles, drops)
}

/// `count` handles are put into `capacity` slots beside a thread that takes `takes` times, and the rest afterwards.
fn through(capacity: usize, count: u64, takes: usize) {
    let (mut put, mut take, handles, drops) = handles(capacity, count);
    let writer = thread::spawn(move || {
        let mut evicted = Vec::new();
        for handle in handles {
            evicted.extend(put.put(handle).map(|handle| handle.number));
        }
        evicted
    });
    let mut taken = Vec::new();
    let mut note = |take: &mut SlotsOut<Handle, 1>| {
        let got = take.take();
        taken.extend(got.iter().map(|(number, handle)| {
            assert_eq!(*number, handle.number, "another's stamp");
            *number
        }));
        got.is_some()
    };
    for _ in 0..takes {
        note(&mut take);
    }
    let mut all = writer.join().unwrap();
    while note(&mut take) {}
    assert!(taken.is_sorted() && all.is_sorted(), "{taken:?} {all:?}");
    all.extend(&taken);
    all.sort_unstable();
    assert_eq!(all, (0..count).collect::<Vec<_>>(), "each is taken or evicted, and {taken:?} were taken");
    assert_eq!(taken.last(), Some(&(count - 1)), "the last is never evicted");
    assert_eq!(drops.load(Ordering::Relaxed), (0..count).map(weight).sum(), "dropped twice or never");
}

#[test]
fn each_handle_is_taken_or_evicted_once_in_one_slot() {
    explore("evicting slots, three handles through one", 4, || through(1, 3, 2));
}

#[test]
fn each_handle_is_taken_or_evicted_once_in_two_slots() {
    explore("evicting slots, four handles through two", 2, || through(2, 4, 3));
}

#[test]
fn the_last_of_the_ends_drops_what_is_left() {
    explore("evicting slots, both ends go", 3, || {
        let (mut put, mut take, handles, drops) = handles(2, 3);
        let writer = thread::spawn(move || {
            for handle in handles {
                drop(put.put(handle));
            }
        });
        drop(take.take());
        drop(take);
        writer.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), (0..3).map(weight).sum(), "dropped twice or never");
    });
}

/// The list of pools that are to be freed is the process's, and a pool is of one execution of one model.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Chunks `0..count` of a stream, `1 + n` frames long, whose samples are their number. Their pool must outlive them.
fn chunks(count: u64) -> (BufferRecyclingPool, Vec<AudioChunk>) {
    let class = ClassConfig { samples: 16, buffers_max: 4, buffers_prewarm: 4 };
    let pool =
        BufferRecyclingPool::new(PoolConfig { classes: vec![class], ..PoolConfig::default() }).unwrap();
    let mut position = StreamPosition::START;
    let mut next = |sequence| {
        let mut buffer = pool.acquire(16, Miss::Fail).unwrap();
        let _ = buffer.resize(1 + sequence as usize, sequence as f32);
        let format = StreamFormat::new(48_000, 1).unwrap();
        let meta =
            ChunkMeta { format, position, sequence, timestamp_ns: 10 * sequence, complete_ns: sequence };
        position += Frames(1 + sequence);
        AudioChunk::new(buffer.into_shared(), meta).unwrap()
    };
    let chunks = (0..count).map(&mut next).collect();
    (pool, chunks)
}

/// Enters a packet, and holds it against itself; the cut stands between chunks 0 and 1.
fn see(timeline: &mut Timeline, cuts: &mut u64, packet: Packet) {
    match packet {
        Packet::Chunk(chunk) => {
            let (n, meta) = (chunk.sequence(), chunk.meta());
            assert_eq!((chunk.frames(), chunk.samples()[0]), (Frames(1 + n), n as f32), "torn");
            assert_eq!((meta.timestamp_ns, meta.complete_ns), (10 * n, n), "torn");
            assert_eq!(*cuts, n, "the cut is out of place");
            timeline.deliver(chunk.position(), chunk.frames());
        }
        Packet::Mark(Mark::Gap(gap)) => timeline.lose(gap),
        Packet::Mark(Mark::Cut(cut)) => {
            assert_eq!(timeline.settle(&cut).unaccounted, Frames(0), "{cut:?} {timeline:?}");
            *cuts += 1;
        }
        packet => panic!("{packet:?}"),
    }
}

/// Sends the first chunk here, and on a thread a cut behind it and the others.
fn send_around_a_cut(mut producer: ChunkProducer, sent: Vec<AudioChunk>) -> thread::JoinHandle<()> {
    let mut sent = sent.into_iter();
    let first = sent.next().unwrap();
    let (position, accepted) = (first.end(), first.end() - StreamPosition::START);
    producer.push(first).unwrap();
    thread::spawn(move || {
        producer.mark(Mark::Cut(CutMark { position, accepted, lost: Losses::default() })).unwrap();
        sent.for_each(|chunk| producer.push(chunk).unwrap());
    })
}

/// Holds the books of both ends against what was met of the two chunks, of which `kept` has a handle each.
fn close(mut consumer: ChunkConsumer, timeline: &Timeline, kept: &[AudioChunk]) {
    let edge = consumer.snapshot();
    assert_eq!((edge.imbalance(), edge.occupancy), (Frames(0), Frames(0)));
    assert_eq!((timeline.position(), timeline.unaccounted()), (StreamPosition(3), Frames(0)));
    assert_eq!((timeline.delivered(), timeline.lost()), (edge.popped, edge.evicted));
    drop(consumer);
    assert!(kept.iter().all(|chunk| chunk.buffer().ref_count() == 1), "a handle was dropped twice or never");
}

#[test]
fn gaps_are_told_and_cuts_keep_their_places() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    explore("evicting link, a chunk, a cut and a chunk through one place", 2, || {
        let (_pool, sent) = chunks(2);
        let kept = sent.clone();
        let (producer, mut consumer) = AudioRingBuffer::evicting_oldest(1).unwrap().split();
        let writer = send_around_a_cut(producer, sent);
        let (mut timeline, mut cuts) = (Timeline::default(), 0);
        let closed = consumer.is_closed();
        for _ in 0..2 {
            let packet = consumer.pop();
            assert!(packet.is_some() || !closed, "closed was seen before the last packet");
            packet.into_iter().for_each(|packet| see(&mut timeline, &mut cuts, packet));
        }
        writer.join().unwrap();
        assert_eq!(consumer.snapshot().imbalance(), Frames(0));
        while let Some(packet) = consumer.pop() {
            see(&mut timeline, &mut cuts, packet);
        }
        close(consumer, &timeline, &kept);
    });
}

/// Thrown out by the consumer or delivered: of each chunk one or the other, whatever the producer does meanwhile.
#[test]
fn what_is_cleared_while_the_producer_goes_on_is_told() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    type Make = fn(usize) -> Result<AudioRingBuffer, RingError>;
    let links: [(_, Make); 2] = [
        ("link, cleared while a cut and a chunk come", AudioRingBuffer::with_capacity),
        ("evicting link, cleared while a cut and a chunk come", AudioRingBuffer::evicting_oldest),
    ];
    for (name, make) in links {
        explore(name, 2, move || {
            let (_pool, sent) = chunks(2);
            let kept = sent.clone();
            let (producer, mut consumer) = make(4).unwrap().split();
            let writer = send_around_a_cut(producer, sent);
            let mut timeline = Timeline::default();
            consumer.clear(LossCause::Removed, |gap| timeline.lose(gap));
            writer.join().unwrap();
            while let Some(packet) = consumer.pop() {
                match packet {
                    Packet::Chunk(chunk) => timeline.deliver(chunk.position(), chunk.span()),
                    Packet::Mark(Mark::Gap(gap)) => timeline.lose(gap),
                    Packet::Mark(Mark::Cut(cut)) => {
                        assert_eq!(timeline.settle(&cut).unaccounted, Frames(0), "{cut:?} {timeline:?}");
                    }
                    packet => panic!("{packet:?}"),
                }
            }
            assert!(consumer.is_finished());
            close(consumer, &timeline, &kept);
        });
    }
}
