//! Sets, timers and the executor against models that are too simple to be wrong.

use super::super::pending::Pending;
use super::super::ready::ReadySet;
use super::super::timers::Timers;
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

proptest! {
    #[test]
    fn a_ready_set_gives_what_was_added(rounds in prop::collection::vec(prop::collection::vec(0..4096usize, 0..40), 1..10)) {
        let set = ReadySet::new(4096);
        for round in rounds {
            for &index in &round {
                set.add(index);
            }
            prop_assert_eq!(set.is_empty(), round.is_empty());
            let mut taken = Vec::new();
            set.drain(|index| taken.push(index));
            let expected: Vec<usize> = BTreeSet::from_iter(round).into_iter().collect();
            prop_assert_eq!(taken, expected);
        }
    }

    #[test]
    fn pending_ones_are_taken_in_turn(
        capacity in prop::sample::select(vec![1, 63, 64, 65, 200, 4096]),
        steps in prop::collection::vec(prop::option::of(0..4096usize), 0..200),
    ) {
        let (mut pending, mut model, mut next) = (Pending::new(capacity), BTreeSet::new(), 0);
        for step in steps {
            if let Some(index) = step.map(|index| index % capacity) {
                pending.add(index);
                model.insert(index);
            } else {
                let expected = model.range(next..).next().or(model.first()).copied();
                prop_assert_eq!(pending.take(), expected);
                if let Some(index) = expected {
                    model.remove(&index);
                    next = index + 1;
                }
            }
            prop_assert_eq!(pending.is_empty(), model.is_empty());
        }
    }

    #[test]
    fn the_first_timer_is_the_earliest(
        capacity in prop::sample::select(vec![1, 2, 3, 64, 65, 4096]),
        steps in prop::collection::vec((0..4096usize, prop_oneof![0..20u64, Just(u64::MAX)]), 0..200),
    ) {
        let (mut timers, mut model) = (Timers::new(capacity), BTreeMap::new());
        for (index, due_ns) in steps {
            let index = index % capacity;
            timers.set(index, due_ns);
            model.insert(index, due_ns);
            let due = model.iter().map(|(&index, &due_ns)| (due_ns, index)).filter(|(due_ns, _)| *due_ns != u64::MAX);
            prop_assert_eq!(timers.first(), due.min());
        }
    }

    #[test]
    fn an_executor_does_as_its_model(steps in prop::collection::vec(step(), 1..80)) {
        let mut pair = Pair::default();
        for step in steps {
            pair.step(step)?;
        }
    }
}

/// What a task does in one of its polls: wakes a place, and says what it waits for.
#[derive(Debug, Clone, Copy)]
struct Turn(Option<usize>, Then);

#[derive(Debug, Clone, Copy)]
enum Then {
    Again,
    Idle,
    Sleep(u64),
    Done,
}

#[derive(Debug, Clone)]
enum Step {
    /// Does its turns over and over.
    Spawn(Priority, Vec<Turn>),
    Wake(usize),
    Remove(usize),
    Advance(u64),
    Run,
}

const PLACES: usize = 70;

fn step() -> impl Strategy<Value = Step> {
    let then = prop_oneof![
        4 => Just(Then::Again),
        4 => Just(Then::Idle),
        4 => (0..100u64).prop_map(Then::Sleep),
        1 => Just(Then::Done),
    ];
    let turn = (prop::option::weighted(0.3, 0..8usize), then).prop_map(|(wakes, then)| Turn(wakes, then));
    let priority = prop::sample::select(Priority::ALL.to_vec());
    prop_oneof![
        6 => (priority, prop::collection::vec(turn, 1..5)).prop_map(|(priority, turns)| Step::Spawn(priority, turns)),
        4 => (0..8usize).prop_map(Step::Wake),
        1 => (0..8usize).prop_map(Step::Remove),
        3 => (0..60u64).prop_map(Step::Advance),
        6 => Just(Step::Run),
    ]
}

/// A task of the model.
#[derive(Debug)]
struct Modelled {
    priority: Priority,
    turns: Vec<Turn>,
    polls: usize,
    due_ns: u64,
    removed: bool,
    ready: bool,
}

/// The executor and its model, side by side.
struct Pair {
    executor: Executor,
    spawner: Spawner,
    clock: StepClock,
    log: Log,
    /// The last handle of each place, as tasks see them: also of tasks that are over.
    handles: Arc<Mutex<BTreeMap<usize, TaskHandle>>>,
    model: BTreeMap<usize, Modelled>,
    next: [usize; 3],
    passed: [u32; 3],
    /// Polls since a priority began to wait, whatever was polled.
    waited: [u32; 3],
}

impl Default for Pair {
    fn default() -> Self {
        let (executor, spawner) = Executor::new(PLACES).unwrap();
        Self {
            executor,
            spawner,
            clock: StepClock::default(),
            log: Log::default(),
            handles: Arc::default(),
            model: BTreeMap::new(),
            next: [0; 3],
            passed: [0; 3],
            waited: [0; 3],
        }
    }
}

impl Pair {
    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Spawn(priority, turns) => self.spawn(priority, turns),
            Step::Wake(index) => {
                if let Some(handle) = self.handles.lock().unwrap().get(&index) {
                    handle.waker().wake();
                }
                self.wake(index);
            }
            Step::Remove(index) => {
                if let Some(handle) = self.handles.lock().unwrap().get(&index) {
                    handle.remove();
                }
                if let Some(task) = self.model.get_mut(&index) {
                    (task.removed, task.ready) = (true, true);
                }
            }
            Step::Advance(ns) => self.clock.advance(ns),
            Step::Run => {
                let rest = self.executor.run(&self.clock);
                let (expected, polled) = self.run();
                prop_assert_eq!(std::mem::take(&mut *self.log.lock().unwrap()), polled);
                prop_assert_eq!(rest, expected);
                prop_assert_eq!(self.executor.tasks(), self.model.len());
                let (asleep, ready) =
                    (self.executor.fall_asleep(), self.model.values().any(|task| task.ready));
                // Where the run was cut short, a wake-up of a place that is empty by now may keep the driver awake.
                prop_assert!(if rest == Rest::No { !(asleep && ready) } else { asleep != ready });
                self.executor.wake_up();
            }
        }
        for (index, handle) in &*self.handles.lock().unwrap() {
            prop_assert_eq!(handle.is_done(), !self.model.contains_key(index));
        }
        Ok(())
    }

    fn spawn(&mut self, priority: Priority, turns: Vec<Turn>) {
        let Some(index) = (0..PLACES).find(|index| !self.model.contains_key(index)) else { return };
        let (log, handles) = (self.log.clone(), self.handles.clone());
        let mut polls = turns.clone().into_iter().cycle();
        let task = does(move |cx| {
            log.lock().unwrap().push(index);
            let Turn(wakes, then) = polls.next().unwrap();
            if let Some(handle) = wakes.and_then(|index| handles.lock().unwrap().get(&index).cloned()) {
                handle.waker().wake();
            }
            match then {
                Then::Again => Poll::Again,
                Then::Idle => Poll::Idle,
                Then::Sleep(ns) => Poll::IdleUntil(cx.now_ns() + ns),
                Then::Done => Poll::Done,
            }
        });
        let handle = self.spawner.spawn(priority, task).unwrap();
        assert_eq!(handle.index(), index, "the first place that is free");
        self.handles.lock().unwrap().insert(index, handle);
        self.model.insert(
            index,
            Modelled { priority, turns, polls: 0, due_ns: u64::MAX, removed: false, ready: true },
        );
    }

    fn wake(&mut self, index: usize) {
        if let Some(task) = self.model.get_mut(&index) {
            task.ready = true;
        }
    }

    fn run(&mut self) -> (Rest, Vec<usize>) {
        let (now_ns, mut polled) = (self.clock.now_ns(), Vec::new());
        for _ in 0..256 {
            for task in self.model.values_mut().filter(|task| task.due_ns <= now_ns) {
                (task.ready, task.due_ns) = (true, u64::MAX);
            }
            let Some(index) = self.choose() else {
                let due_ns = self.model.values().map(|task| task.due_ns).min().unwrap_or(u64::MAX);
                let rest = if due_ns == u64::MAX { Rest::UntilWoken } else { Rest::Until(due_ns) };
                return (rest, polled);
            };
            let task = self.model.get_mut(&index).unwrap();
            (task.ready, task.due_ns) = (false, u64::MAX);
            if task.removed {
                self.model.remove(&index);
                continue;
            }
            polled.push(index);
            let Turn(wakes, then) = task.turns[task.polls % task.turns.len()];
            task.polls += 1;
            match then {
                Then::Again => task.ready = true,
                Then::Idle => {}
                Then::Sleep(ns) => task.due_ns = now_ns + ns,
                Then::Done => drop(self.model.remove(&index)),
            }
            wakes.into_iter().for_each(|index| self.wake(index));
        }
        (Rest::No, polled)
    }

    fn choose(&mut self) -> Option<usize> {
        let ready = |priority: usize| -> Vec<usize> {
            let ready = self.model.iter().filter(|(_, task)| task.ready && task.priority.index() == priority);
            ready.map(|(&index, _)| index).collect()
        };
        let ready = [ready(0), ready(1), ready(2)];
        let waiting: Vec<usize> = (0..3).filter(|&priority| !ready[priority].is_empty()).collect();
        let starved = waiting.iter().find(|&&priority| self.passed[priority] >= Executor::STARVATION_LIMIT);
        let chosen = *starved.or(waiting.first())?;
        for priority in 0..3 {
            let waits = waiting.contains(&priority) && priority != chosen;
            self.passed[priority] = match waits {
                true => self.passed[priority] + u32::from(priority > chosen),
                false => 0,
            };
            self.waited[priority] = if waits { self.waited[priority] + 1 } else { 0 };
            // One more where another one has waited as long.
            let most = [2, 1, 1][priority] + if priority == 0 { 0 } else { Executor::STARVATION_LIMIT };
            assert!(
                self.waited[priority] <= most,
                "priority {priority} waits for {} polls",
                self.waited[priority]
            );
        }
        let next = self.next[chosen];
        let index = *ready[chosen].iter().find(|&&index| index >= next).unwrap_or(&ready[chosen][0]);
        self.next[chosen] = index + 1;
        Some(index)
    }
}
