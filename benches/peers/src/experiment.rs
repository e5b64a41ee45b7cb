//! An experiment: its contenders, the rounds in which they take turns, and the processes in which the rounds run.
//!
//! Some peers are quick in one process and slow in the next, by where their memory came to lie. So every experiment
//! runs in several fresh processes, and a floor holds only if it holds in each.

use crate::harness::Cores;
use crate::limits;
use crate::rings;
use crate::table;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) processes: usize,
    /// How often each contender runs in a process.
    pub(crate) rounds: usize,
    /// Times are divided by this.
    pub(crate) divisor: u32,
    /// How long something runs that is about threads in real time.
    pub(crate) time: Duration,
}

impl Size {
    /// What is recorded.
    pub(crate) const FULL: Size = Size { processes: 3, rounds: 3, divisor: 1, time: Duration::from_secs(20) };
    /// Only to see that everything runs and verifies.
    pub(crate) const BRIEF: Size =
        Size { processes: 1, rounds: 1, divisor: 32, time: Duration::from_secs(2) };

    /// How long one row runs of a table that has several.
    pub(crate) fn row(self) -> Duration {
        (self.time / 20).max(Duration::from_millis(500))
    }
}

/// What a contender is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The same bytes moved without the thing that is measured.
    Limit,
    /// What measuring itself takes: shown, compared with nothing.
    Timing,
    /// pcmflow's.
    Ours,
    /// What people use today.
    Peer,
}

/// One contender: `round` does this many operations and returns the experiment's figures.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Checks what it carries, thoroughly and untimed; panics on a difference.
    pub(crate) verify: fn(Cores),
    pub(crate) round: fn(u64, Cores) -> Vec<f64>,
}

/// What the figures of a round are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figures {
    /// Nanoseconds per operation.
    Mean,
    /// 50 %, 99 %, 99.9 % and the worst, in nanoseconds of single operations.
    Tail,
    /// The same, where the worst is what is asked for.
    Worst,
}

impl Figures {
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Figures::Mean => &["median"],
            Figures::Tail | Figures::Worst => &["p50", "p99", "p99.9", "max"],
        }
    }

    /// Which of them are held against the others'. The worst of a few hundred thousand is the scheduler's, and the limit's too,
    /// unless the experiment is about the scheduler.
    pub(crate) fn compared(self) -> &'static [usize] {
        match self {
            Figures::Mean => &[0],
            Figures::Tail => &[0, 1],
            Figures::Worst => &[0, 1, 3],
        }
    }
}

/// What is measured, and who takes part.
pub(crate) struct Experiment {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) figures: Figures,
    /// About how long one round of one contender takes.
    pub(crate) round: Duration,
    pub(crate) contenders: Vec<Contender>,
}

/// The usual length of a round.
pub(crate) const ROUND: Duration = Duration::from_millis(60);

/// What the rounds of one process gave: `[contender][round][figure]`.
pub(crate) struct Process {
    /// Nanoseconds of a round trip between the two cores over bare atomics.
    pub(crate) round_trip: f64,
    pub(crate) rounds: Vec<Vec<Vec<f64>>>,
}

impl Experiment {
    /// In a process of its own: verifies every contender, runs the rounds and prints the figures.
    pub(crate) fn run_here(&self, size: Size, cores: Cores) {
        println!("{}", limits::round_trip(cores));
        let round = self.round / size.divisor;
        let operations: Vec<u64> = self
            .contenders
            .iter()
            .map(|contender| {
                (contender.verify)(cores);
                operations_for(round, |operations| (contender.round)(operations, cores))
            })
            .collect();
        for round in 0..size.rounds {
            for turn in 0..self.contenders.len() {
                // Each round begins with another one, so that nobody always runs in the wake of the same neighbour.
                let index = (turn + round) % self.contenders.len();
                let mut line = index.to_string();
                for figure in (self.contenders[index].round)(operations[index], cores) {
                    let _ = write!(line, " {figure}");
                }
                println!("{line}");
            }
        }
    }

    /// Runs the experiment in fresh processes and prints the table.
    pub(crate) fn run(&self, size: Size) -> Result<(), String> {
        let processes: Result<Vec<Process>, String> =
            (0..size.processes).map(|_| self.parse(&in_fresh_process(self.name, size)?)).collect();
        print!("{}", table::render(self, &processes?));
        Ok(())
    }

    /// Reads what [`run_here`](Self::run_here) printed.
    fn parse(&self, text: &str) -> Result<Process, String> {
        let bad = |line: &str| format!("{} printed `{line}`, which is not a round's figures", self.name);
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let mut process = Process {
            round_trip: first.parse().map_err(|_| bad(first))?,
            rounds: vec![Vec::new(); self.contenders.len()],
        };
        for line in lines {
            let mut words = line.split(' ');
            let contender = words.next().and_then(|word| word.parse::<usize>().ok());
            let figures: Option<Vec<f64>> = words.map(|word| word.parse().ok()).collect();
            match (contender.and_then(|index| process.rounds.get_mut(index)), figures) {
                (Some(rounds), Some(figures)) if figures.len() == self.figures.names().len() => {
                    rounds.push(figures);
                }
                _ => return Err(bad(line)),
            }
        }
        Ok(process)
    }
}

/// Runs this program again for one experiment alone; what it printed.
pub(crate) fn in_fresh_process(name: &str, size: Size) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("{name} could not be started: {error}");
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    // `--brief` comes first: what follows changes it.
    command.arg("--here").args((size.divisor > 1).then_some("--brief"));
    command.args(["--processes", &size.processes.to_string(), "--rounds", &size.rounds.to_string()]);
    command.args(["--seconds", &size.time.as_secs().max(1).to_string(), name]);
    let output = command.stderr(Stdio::inherit()).output().map_err(failed)?;
    if !output.status.success() {
        return Err(format!("{name} ended with {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{name} printed no text: {error}"))
}

/// How many operations take about `time`; runs some, which warms up.
fn operations_for(time: Duration, round: impl Fn(u64) -> Vec<f64>) -> u64 {
    let mut operations = whole(1);
    loop {
        let start = Instant::now();
        round(operations);
        let took = start.elapsed();
        if took >= time / 4 {
            let ratio = time.as_nanos() as f64 / took.as_nanos() as f64;
            return whole((operations as f64 * ratio) as u64);
        }
        operations *= 4;
    }
}

/// Rounds up to whole rings of blocks, so that the limit, which hands over halves, ends with a full one.
fn whole(operations: u64) -> u64 {
    operations.max(1).next_multiple_of((rings::CAPACITY / rings::BLOCK) as u64)
}
