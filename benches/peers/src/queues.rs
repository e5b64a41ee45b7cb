//! Queues of single items: what X3 and X4 drive, and X1 and X2 through [`OneByOne`](crate::rings::OneByOne).

use crate::harness::{Cores, time_two};
use crossbeam_queue::ArrayQueue;
use ringbuf::traits::{Consumer as _, Producer as _, Split as _};
use std::collections::VecDeque;
use std::hint::spin_loop;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

/// Handles of a ring in X3 and X4.
pub(crate) const HANDLES: usize = 64;

/// A queue of single items, split into its two ends.
pub(crate) trait Queue<T> {
    type Sender: Send;
    type Receiver: Send;
    fn split(capacity: usize) -> (Self::Sender, Self::Receiver);
    /// False when it is full.
    fn push(sender: &mut Self::Sender, item: T) -> bool;
    /// None when it is empty.
    fn pop(receiver: &mut Self::Receiver) -> Option<T>;
}

/// Offers until it is placed.
pub(crate) fn push_spinning<T: Copy, Q: Queue<T>>(sender: &mut Q::Sender, item: T) {
    while !Q::push(sender, item) {
        spin_loop();
    }
}

/// Takes until there is one.
pub(crate) fn pop_spinning<T, Q: Queue<T>>(receiver: &mut Q::Receiver) -> T {
    loop {
        if let Some(item) = Q::pop(receiver) {
            return item;
        }
        spin_loop();
    }
}

/// Sends a running number between two threads, with pauses on either side, and looks at every one.
pub(crate) fn verify<Q: Queue<u64>>(cores: Cores) {
    let (mut sender, mut receiver) = Q::split(HANDLES);
    const TOTAL: u64 = HANDLES as u64 * 2000;
    // Pauses longer than a lap let the ring run full, and empty.
    let pause = |number: u64, every: u64| {
        if number.is_multiple_of(every) {
            (0..2000).for_each(|_| spin_loop());
        }
    };
    let send = move || {
        for number in 0..TOTAL {
            pause(number, 701);
            push_spinning::<u64, Q>(&mut sender, number);
        }
    };
    let receive = move || {
        for number in 0..TOTAL {
            pause(number, 997);
            let item = pop_spinning::<u64, Q>(&mut receiver);
            assert_eq!(item, number, "a handle was lost, doubled or moved");
        }
        assert_eq!(Q::pop(&mut receiver), None, "more came out than went in");
    };
    time_two(cores, 1, send, receive);
}

/// pcmflow's ring.
pub(crate) struct Ours;

impl<T: Send> Queue<T> for Ours {
    type Sender = pcmflow_core::ring::Producer<T>;
    type Receiver = pcmflow_core::ring::Consumer<T>;
    fn split(capacity: usize) -> (Self::Sender, Self::Receiver) {
        pcmflow_core::ring::CircularBuffer::with_capacity(capacity).expect("memory for one ring").split()
    }
    fn push(sender: &mut Self::Sender, item: T) -> bool {
        sender.push(item).is_ok()
    }
    fn pop(receiver: &mut Self::Receiver) -> Option<T> {
        receiver.pop()
    }
}

/// The crate rtrb.
pub(crate) struct Rtrb;

impl<T: Send> Queue<T> for Rtrb {
    type Sender = rtrb::Producer<T>;
    type Receiver = rtrb::Consumer<T>;
    fn split(capacity: usize) -> (Self::Sender, Self::Receiver) {
        rtrb::RingBuffer::new(capacity)
    }
    fn push(sender: &mut Self::Sender, item: T) -> bool {
        sender.push(item).is_ok()
    }
    fn pop(receiver: &mut Self::Receiver) -> Option<T> {
        receiver.pop().ok()
    }
}

/// The crate ringbuf, with its caching halves.
pub(crate) struct Ringbuf;

impl<T: Send> Queue<T> for Ringbuf {
    type Sender = ringbuf::HeapProd<T>;
    type Receiver = ringbuf::HeapCons<T>;
    fn split(capacity: usize) -> (Self::Sender, Self::Receiver) {
        ringbuf::HeapRb::new(capacity).split()
    }
    fn push(sender: &mut Self::Sender, item: T) -> bool {
        sender.try_push(item).is_ok()
    }
    fn pop(receiver: &mut Self::Receiver) -> Option<T> {
        receiver.try_pop()
    }
}

/// heapless' queue with storage for `N` items, of which it uses one less.
pub(crate) struct Heapless<const N: usize>;

impl<T: Send + 'static, const N: usize> Queue<T> for Heapless<N> {
    type Sender = heapless::spsc::Producer<'static, T>;
    type Receiver = heapless::spsc::Consumer<'static, T>;
    fn split(capacity: usize) -> (Self::Sender, Self::Receiver) {
        assert_eq!(capacity, N, "its capacity is part of its type");
        // Its users have it in a static. Here there are several, one after the other.
        Box::leak(Box::new(heapless::spsc::Queue::<T, N>::new())).split()
    }
    fn push(sender: &mut Self::Sender, item: T) -> bool {
        sender.enqueue(item).is_ok()
    }
    fn pop(receiver: &mut Self::Receiver) -> Option<T> {
        receiver.dequeue()
    }
}

/// crossbeam's bounded queue.
pub(crate) struct Crossbeam;

impl<T: Send> Queue<T> for Crossbeam {
    type Sender = Arc<ArrayQueue<T>>;
    type Receiver = Arc<ArrayQueue<T>>;
    fn split(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let queue = Arc::new(ArrayQueue::new(capacity));
        (queue.clone(), queue)
    }
    fn push(sender: &mut Self::Sender, item: T) -> bool {
        sender.push(item).is_ok()
    }
    fn pop(receiver: &mut Self::Receiver) -> Option<T> {
        receiver.pop()
    }
}

/// flume's bounded channel.
pub(crate) struct Flume;

impl<T: Send> Queue<T> for Flume {
    type Sender = flume::Sender<T>;
    type Receiver = flume::Receiver<T>;
    fn split(capacity: usize) -> (Self::Sender, Self::Receiver) {
        flume::bounded(capacity)
    }
    fn push(sender: &mut Self::Sender, item: T) -> bool {
        sender.try_send(item).is_ok()
    }
    fn pop(receiver: &mut Self::Receiver) -> Option<T> {
        receiver.try_recv().ok()
    }
}

/// The standard library's bounded channel.
pub(crate) struct SyncChannel;

impl<T: Send> Queue<T> for SyncChannel {
    type Sender = SyncSender<T>;
    type Receiver = Receiver<T>;
    fn split(capacity: usize) -> (Self::Sender, Self::Receiver) {
        sync_channel(capacity)
    }
    fn push(sender: &mut Self::Sender, item: T) -> bool {
        sender.try_send(item).is_ok()
    }
    fn pop(receiver: &mut Self::Receiver) -> Option<T> {
        receiver.try_recv().ok()
    }
}

/// What most programs have between two threads.
pub(crate) struct MutexVecDeque;

/// One end of it; a `VecDeque` itself knows no bound.
pub(crate) struct Locked<T> {
    pub(crate) queue: Arc<Mutex<VecDeque<T>>>,
    pub(crate) capacity: usize,
}

impl<T> Locked<T> {
    pub(crate) fn split(capacity: usize) -> (Self, Self) {
        let queue = Arc::new(Mutex::new(VecDeque::with_capacity(capacity)));
        (Self { queue: queue.clone(), capacity }, Self { queue, capacity })
    }
}

impl<T: Send> Queue<T> for MutexVecDeque {
    type Sender = Locked<T>;
    type Receiver = Locked<T>;
    fn split(capacity: usize) -> (Self::Sender, Self::Receiver) {
        Locked::split(capacity)
    }
    fn push(sender: &mut Self::Sender, item: T) -> bool {
        let mut queue = sender.queue.lock().expect("no thread panicked");
        let room = queue.len() < sender.capacity;
        if room {
            queue.push_back(item);
        }
        room
    }
    fn pop(receiver: &mut Self::Receiver) -> Option<T> {
        receiver.queue.lock().expect("no thread panicked").pop_front()
    }
}

/// The limits and timings given, and then every queue of handles: the same contenders in each experiment that moves them one
/// by one. `$contender` is the experiment's own generic function.
macro_rules! handle_queues {
    ($contender:ident; $($first:expr),+) => {
        vec![
            $($first,)+
            $contender::<$crate::queues::Ours>("pcmflow ring", Kind::Ours),
            $contender::<$crate::link::Link>("pcmflow link, chunks with metadata and books", Kind::Ours),
            $contender::<$crate::queues::Rtrb>("rtrb", Kind::Peer),
            $contender::<$crate::queues::Ringbuf>("ringbuf", Kind::Peer),
            $contender::<$crate::queues::Heapless<{ $crate::queues::HANDLES }>>("heapless", Kind::Peer),
            $contender::<$crate::queues::Crossbeam>("ArrayQueue", Kind::Peer),
            $contender::<$crate::queues::Flume>("flume", Kind::Peer),
            $contender::<$crate::queues::SyncChannel>("sync_channel", Kind::Peer),
            $contender::<$crate::queues::MutexVecDeque>("Mutex<VecDeque>", Kind::Peer),
        ]
    };
}
pub(crate) use handle_queues;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::two_cores;

    /// rtrb that loses, doubles or changes the 5000th item.
    struct Faulty<const FAULT: u8>;

    impl<const FAULT: u8> Queue<u64> for Faulty<FAULT> {
        type Sender = rtrb::Producer<u64>;
        type Receiver = rtrb::Consumer<u64>;
        fn split(capacity: usize) -> (Self::Sender, Self::Receiver) {
            rtrb::RingBuffer::new(capacity)
        }
        fn push(sender: &mut Self::Sender, item: u64) -> bool {
            match FAULT {
                b'l' if item == 5000 => true,
                b'd' if item == 5000 => sender.push(item).is_ok() && sender.push(item).is_ok(),
                b'c' if item == 5000 => sender.push(item + 1).is_ok(),
                _ => sender.push(item).is_ok(),
            }
        }
        fn pop(receiver: &mut Self::Receiver) -> Option<u64> {
            receiver.pop().ok()
        }
    }

    const FAULT: &str = "PEERS_TEST_FAULT";

    #[test]
    #[ignore = "ends the process: the test below runs it in one of its own"]
    fn faulty() {
        let cores = two_cores().expect("two cores");
        match std::env::var(FAULT).as_deref() {
            Ok("lost") => verify::<Faulty<b'l'>>(cores),
            Ok("doubled") => verify::<Faulty<b'd'>>(cores),
            Ok("changed") => verify::<Faulty<b'c'>>(cores),
            _ => verify::<Faulty<b'-'>>(cores),
        }
    }

    #[test]
    fn a_queue_that_loses_doubles_or_changes_an_item_ends_the_process() {
        let run = |fault| {
            let mut command = std::process::Command::new(std::env::current_exe().expect("this program"));
            command.args(["queues::tests::faulty", "--exact", "--ignored", "--nocapture"]).env(FAULT, fault);
            let output = command.output().expect("it starts");
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        assert_eq!(run("none").0, Some(0));
        for fault in ["lost", "doubled", "changed"] {
            let (code, message) = run(fault);
            assert!(
                code == Some(101) && message.contains("lost, doubled or moved"),
                "{fault}: {code:?} {message}"
            );
        }
    }
}
