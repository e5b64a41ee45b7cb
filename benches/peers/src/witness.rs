//! When the host took the processors away: nothing in here can help that, so figures are shown with and without such times.
//!
//! Two signs: the system's count of stolen time grew; or a thread that is scheduled before all others, one on each core, and sleeps
//! for a millisecond at a time, woke far too late. Where no real-time scheduling is granted, a late thread says nothing, and
//! only the first sign counts.

use crate::harness::{Cores, pin};
use crate::system::stolen_ticks;
use pcmflow::runtime::thread::RealTime;
use pcmflow::runtime::{Clock, Stop};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

/// A stretch of time is looked at as a whole.
const STRETCH: Duration = Duration::from_millis(250);
/// How long a witness sleeps.
const NAP: Duration = Duration::from_millis(1);
/// That much too late is the host's doing.
const LATE_NS: u64 = 500_000;

/// From and to, by the bench's clock.
type Span = (u64, u64);

/// Watches while it lives.
pub(crate) struct Witness {
    clock: Clock,
    stop: Stop,
    sleepers: Vec<JoinHandle<Option<Vec<Span>>>>,
    /// Ends of stretches, and what was stolen until then.
    stretches: Vec<(u64, Option<u64>)>,
}

impl Witness {
    pub(crate) fn start(cores: Cores, clock: Clock) -> Self {
        let stop = Stop::new();
        let sleepers = [cores.0, cores.1].map(|core| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                pin(core);
                let raised = RealTime { priority: 20, ..RealTime::every(NAP) }.raise();
                let mut holes = Vec::new();
                while !stop.is_asked() {
                    let before_ns = clock.now_ns();
                    sleep(NAP);
                    let now_ns = clock.now_ns();
                    if now_ns - before_ns > NAP.as_nanos() as u64 + LATE_NS {
                        holes.push((before_ns, now_ns));
                    }
                }
                raised.granted().is_real_time().then_some(holes)
            })
        });
        let stretches = vec![(clock.now_ns(), stolen_ticks())];
        Self { clock, stop, sleepers: sleepers.into(), stretches }
    }

    /// Sleeps for so long, and notes the stolen time meanwhile.
    pub(crate) fn watch(&mut self, time: Duration) {
        let due_ns = self.clock.now_ns() + time.as_nanos() as u64;
        while let Some(left_ns) = due_ns.checked_sub(self.clock.now_ns()).filter(|left_ns| *left_ns > 0) {
            sleep(STRETCH.min(Duration::from_nanos(left_ns)));
            self.stretches.push((self.clock.now_ns(), stolen_ticks()));
        }
    }

    /// What was seen.
    pub(crate) fn end(self) -> Seen {
        self.stop.ask();
        let told: Vec<_> =
            self.sleepers.into_iter().map(|thread| thread.join().expect("a thread that sleeps")).collect();
        let sleepers = told.iter().all(Option::is_some);
        let holes: Vec<Span> = told.into_iter().flatten().flatten().collect();
        let stretches = self.stretches.windows(2).map(|pair| {
            let (from_ns, to_ns) = (pair[0].0, pair[1].0);
            let stolen = pair[0].1 != pair[1].1;
            let hole = holes.iter().any(|hole| hole.0 < to_ns && hole.1 > from_ns);
            (from_ns, to_ns, stolen || hole)
        });
        Seen { stretches: stretches.collect(), sleepers }
    }
}

/// Stretches of time, and whether the host took a processor away in each.
pub(crate) struct Seen {
    stretches: Vec<(u64, u64, bool)>,
    sleepers: bool,
}

impl Seen {
    /// Whether all processors were there at this time.
    pub(crate) fn undisturbed(&self, at_ns: u64) -> bool {
        let index = self.stretches.partition_point(|(_, to_ns, _)| *to_ns <= at_ns);
        self.stretches.get(index).is_some_and(|(.., taken)| !taken)
    }

    /// In words.
    pub(crate) fn describe(&self) -> String {
        let taken = self.stretches.iter().filter(|(.., taken)| *taken).count();
        let how = if self.sleepers {
            "by stolen time, or by a sleeper on each core, before all others, that woke over 0.5 ms late"
        } else {
            "by stolen time alone: no real-time scheduling is granted to sleepers"
        };
        format!(
            "the host took a processor away in {taken} of {} stretches of 250 ms ({how})",
            self.stretches.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_belongs_to_its_stretch() {
        let seen = Seen { stretches: vec![(0, 10, false), (10, 20, true), (20, 30, false)], sleepers: true };
        assert!(
            seen.undisturbed(9) && !seen.undisturbed(10) && !seen.undisturbed(19) && seen.undisturbed(20)
        );
        assert!(!seen.undisturbed(30), "what was not watched is not known");
        assert!(seen.describe().starts_with("the host took a processor away in 1 of 3"));
    }
}
