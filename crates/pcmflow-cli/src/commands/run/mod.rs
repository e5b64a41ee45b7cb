//! `pcmflow run`: a flow file at work, with the console beside it where that is asked for.

use super::graph::Written;
use crate::args::RunArgs;
use crate::failure::{Failure, Outcome};
use crate::flow_summary::{FlowSummary, SinkBooks};
use crate::run::interruptible;
use crate::summary::SummaryFile;
use indicatif::ProgressBar;
use pcmflow::core::format::Frames;
use pcmflow::core::ledger::{LossCause, Losses};
use pcmflow::core::pool::{BufferRecyclingPool, ClassConfig, PoolConfig};
use pcmflow::engine::config::Config;
use pcmflow::engine::console::{LINE_BYTES_MAX, answer};
use pcmflow::engine::event::BusConfig;
use pcmflow::engine::flow::{DataFlowCoordinator, State};
use pcmflow::engine::platform::PlatformModule;
use pcmflow::engine::session::Session;
use pcmflow::flow_file::{Feed, FlowPlan, OpenError, Role};
use pcmflow::io::Source;
use pcmflow::runtime::{Clock, NativeProbe, Stop, Threads, ThreadsConfig};
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// The largest block that a flow file can ask for, in samples: 65536 frames of 16 channels.
const BLOCK_SAMPLES_MAX: usize = 1 << 20;

/// How often the flow is looked at.
const TICK: Duration = Duration::from_millis(20);
/// How long a flow that is to end may take to deliver what is under way.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lines of the console that may wait.
const LINES_WAITING: usize = 64;

pub(crate) fn run(args: &RunArgs) -> Result<Outcome, Failure> {
    let written = Written::read(&args.flow, &args.config)?;
    let reads_standard_input = written.file.nodes.iter().find(|node| node.kind.name == "stdin");
    if let (true, Some(node)) = (args.console, reads_standard_input) {
        return Err(Failure::Usage(format!(
            "node {} reads standard input, so there is no console: leave --console out, or take a file",
            node.name
        )));
    }
    if let Some(summary) = &args.summary {
        let clashes =
            |path: std::path::PathBuf| path == *summary || crate::input::is_same_file(&path, summary);
        if let Some(node) =
            written.file.nodes.iter().find(|node| node.path(&written.folder).is_some_and(clashes))
        {
            let summary = summary.display();
            return Err(Failure::Usage(format!(
                "{summary} can't be both the summary and the file of node {}",
                node.name
            )));
        }
    }
    let stop = interruptible()?;
    let Some(plan) = planned(&written, &stop)? else { return Ok(Outcome::Done) };
    let summary = args.summary.as_deref().map(SummaryFile::open).transpose()?;
    let mut running = Running::build(&written, plan)?;
    running.session.start().map_err(|error| Failure::Node(error.to_string()))?;
    running.attend(args, &written, &stop);
    running.close(&written, summary)
}

/// Opens the inputs; none where the run is to end before. A pipe may keep its first bytes for ever: the thread that waits for
/// them is left behind then.
fn planned(written: &Written, stop: &Stop) -> Result<Option<FlowPlan>, Failure> {
    let mut open = |node: &pcmflow::flow_file::FlowNode, folder: &std::path::Path| {
        let (opened, is_opened) = channel::<Result<Box<dyn Source>, OpenError>>();
        let (node, folder) = (node.clone(), folder.to_owned());
        let opener = std::thread::Builder::new().name("pcmflow opener".into());
        let refused = |error: std::io::Error| OpenError::Refused(error.to_string());
        opener.spawn(move || drop(opened.send(node.open(&folder)))).map_err(refused)?;
        loop {
            match is_opened.recv_timeout(TICK) {
                Ok(source) => return source,
                Err(RecvTimeoutError::Timeout) if !stop.is_asked() => {}
                Err(_) => return Err(OpenError::Refused("stopped before its first bytes came".into())),
            }
        }
    };
    match written.file.plan(&written.folder, &mut open) {
        Ok(plan) => Ok(Some(plan)),
        Err(_) if stop.is_asked() => Ok(None),
        Err(errors) => Err(Failure::FlowFile { file: written.name.clone(), errors }),
    }
}

/// A flow at work.
struct Running {
    session: Session,
    feeds: BTreeMap<String, Feed>,
    /// From which source each node's frames come.
    origins: BTreeMap<String, String>,
    threads: Threads,
    since: Instant,
    hangs: bool,
}

impl Running {
    fn build(written: &Written, plan: FlowPlan) -> Result<Self, Failure> {
        let config = &written.config;
        let clock = Clock::start();
        let threads = Threads::start(ThreadsConfig { bus: bus(config), ..ThreadsConfig::default() }, clock)?;
        let pool = BufferRecyclingPool::new(pool(config))?;
        let flow = DataFlowCoordinator::new(threads.clone(), pool);
        let failed = |error: &dyn std::fmt::Display| Failure::Node(error.to_string());
        let mut session = Session::new(flow, threads.bus().clone(), Arc::new(clock), config.clone())
            .map_err(|error| failed(&error))?;
        let (platform, _) = PlatformModule::new(NativeProbe);
        session.register(Box::new(platform)).map_err(|error| failed(&error))?;
        let origins = plan.origins.clone();
        let feeds = plan
            .build(&written.file, &written.folder, &mut session, clock)
            .map_err(|error| failed(&error))?;
        Ok(Self { session, feeds, origins, threads, since: Instant::now(), hangs: false })
    }

    /// Looks after the flow until it is over: answers lines, tells what is to be told, shows progress.
    fn attend(&mut self, args: &RunArgs, written: &Written, stop: &Stop) {
        let lines = args.console.then(read_lines);
        let mut voice = Voice {
            json: args.json,
            to_error: written.file.nodes.iter().any(|node| node.writes_standard_output()),
        };
        let bar = match std::io::stderr().is_terminal() && !args.console && !std::io::stdout().is_terminal() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        let mut asked: Option<Instant> = None;
        while !self.session.is_over() {
            match &lines {
                Some(lines) => match lines.recv_timeout(TICK) {
                    Ok(line) => voice.answer(&line, &mut self.session),
                    Err(RecvTimeoutError::Timeout) => {}
                    // Nobody types any more: the flow goes on.
                    Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
                },
                None => std::thread::sleep(TICK),
            }
            self.session.tick();
            self.session.tell().iter().for_each(|line| voice.tell(line));
            let frames: u64 = self.feeds.values().map(|feed| feed.frames_in().0).sum();
            bar.set_message(format!("{frames} frames in, {:.0} s", self.since.elapsed().as_secs_f64()));
            bar.tick();
            if stop.is_asked() && asked.is_none() {
                asked = Some(Instant::now());
                self.feeds.values().for_each(Feed::end);
            }
            if asked.is_some_and(|asked| asked.elapsed() > PATIENCE) {
                self.hangs = true;
                break;
            }
        }
        // What still waited is answered, and what happened at the end is told.
        for line in lines.iter().flat_map(|lines| lines.try_iter()) {
            voice.answer(&line, &mut self.session);
        }
        self.session.look();
        self.session.tell().iter().for_each(|line| voice.tell(line));
        bar.finish_and_clear();
    }

    fn close(mut self, written: &Written, summary: Option<SummaryFile>) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::Done;
        for error in self.session.stop() {
            eprintln!("pcmflow: {error}");
            outcome = outcome.worst(Outcome::Failed);
        }
        let flow = self.session.flow();
        let flow = flow.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, books) = (flow.status(), flow.books());
        drop(flow);
        for (name, node) in status.nodes.iter().filter(|(_, node)| node.state == State::Failed) {
            eprintln!("pcmflow: node {name}: {}", node.error.as_deref().unwrap_or("it failed"));
            outcome = outcome.worst(Outcome::Failed);
        }
        for (name, feed) in &self.feeds {
            if let Some(error) = feed.error() {
                eprintln!("pcmflow: node {name}: {error}");
                outcome = outcome.worst(Outcome::Failed);
            }
            if let Some(damage) = feed.damage() {
                eprintln!("pcmflow: node {name}: {damage}");
                outcome = outcome.worst(Outcome::Damaged);
            }
        }
        if self.hangs {
            eprintln!("pcmflow: stopped, though an output takes nothing more and frames are still under way");
            outcome = outcome.worst(Outcome::Failed);
        }
        let mut told = FlowSummary { wall_s: self.since.elapsed().as_secs_f64(), ..FlowSummary::default() };
        let sinks = written.file.nodes.iter();
        for node in sinks.filter(|node| matches!(node.kind.role, Role::Consumer | Role::Sink)) {
            let source = self.origins.get(&node.name).cloned().unwrap_or_default();
            let Some(feed) = self.feeds.get(&source) else { continue };
            let frames_in = feed.frames_in();
            let given = status.nodes.get(&node.name).map(|node| node.given).unwrap_or_default();
            let into = |pipeline: &String| pipeline.split_once('→').is_some_and(|(_, to)| to == node.name);
            let fed = status.pipelines.keys().any(into);
            let balance = if fed { books.balance(frames_in, &[feed.ring()], &node.name) } else { None };
            let books = match balance {
                Some((balance, _)) => SinkBooks::new(
                    &source,
                    balance.frames_in,
                    balance.delivered,
                    balance.dropped,
                    balance.unaccounted,
                ),
                // Behind a join there is no one way to add up, and to what was taken out nothing leads any more: what came and
                // what is known to be missing must tile the timeline.
                None => {
                    let mut lost: Losses = given.lost;
                    if !fed {
                        lost[LossCause::Removed] += Frames(frames_in.0.saturating_sub(given.position));
                    }
                    let missing = frames_in.0.abs_diff(given.delivered.0 + lost.total().0);
                    let unaccounted = given.unaccounted.max(books.unaccounted()).max(Frames(missing));
                    SinkBooks::new(&source, frames_in, given.delivered, lost, unaccounted)
                }
            };
            told.sinks.insert(node.name.clone(), books);
        }
        eprint!("{}", told.words());
        if let Some(file) = summary {
            file.write(&told)?;
        }
        if told.sinks.values().any(SinkBooks::has_drops) {
            outcome = outcome.worst(Outcome::Damaged);
        }
        if !self.hangs && told.sinks.values().any(|books| books.unaccounted > 0) {
            eprintln!("pcmflow: the books do not balance; please report this");
            outcome = outcome.worst(Outcome::Failed);
        }
        for panic in self.threads.stop() {
            eprintln!("pcmflow: a task failed: {panic:?}");
            outcome = outcome.worst(Outcome::Failed);
        }
        if self.hangs {
            // Threads that wait for an output would be waited for.
            std::process::exit(outcome as i32);
        }
        Ok(outcome)
    }
}

/// The pool as the configuration has it, and with larger classes, of which nothing is there before it is asked for: a flow's blocks may
/// hold more frames, and its sources more channels, than anybody configured for.
fn pool(config: &Config) -> PoolConfig {
    let mut pool = config.memory.pool();
    let largest = pool.classes.iter().map(|class| class.samples).max().unwrap_or(1);
    let larger = std::iter::successors(Some(largest.next_power_of_two()), |samples| samples.checked_mul(2));
    let larger =
        larger.filter(|samples| *samples > largest).take_while(|samples| *samples <= BLOCK_SAMPLES_MAX);
    for samples in larger.take(PoolConfig::CLASSES_MAX.saturating_sub(pool.classes.len())) {
        let buffers_max = ClassConfig::BUFFERS_MAX.min(256);
        pool.classes.push(ClassConfig { samples, buffers_max, buffers_prewarm: 0 });
    }
    pool
}

/// The bus as the configuration has it.
fn bus(config: &Config) -> BusConfig {
    let events = &config.events;
    // What 32 bits can't count no key allows.
    let records = |records: u64| usize::try_from(records).unwrap_or(65_536);
    let publisher_events =
        [records(events.critical_records), records(events.high_records), records(events.normal_records)];
    BusConfig { publisher_events, ..BusConfig::default() }
}

/// Where answers and what is told go.
struct Voice {
    json: bool,
    /// A node writes to standard output.
    to_error: bool,
}

impl Voice {
    fn answer(&mut self, line: &[u8], session: &mut Session) {
        if line.trim_ascii().is_empty() {
            return;
        }
        let answer = answer(line, session);
        match self.json {
            true => self.say(&(answer.to_json() + "\n")),
            false => self.say(&answer.to_string()),
        }
    }

    fn tell(&mut self, line: &str) {
        match self.json {
            true => self.say(&format!("{}\n", serde_json::json!({ "told": line }))),
            false => self.say(&format!("{line}\n")),
        }
    }

    fn say(&mut self, text: &str) {
        // A reader that went away misses nothing but this.
        let _ = match self.to_error {
            true => std::io::stderr().lock().write_all(text.as_bytes()),
            false => {
                let mut output = std::io::stdout().lock();
                output.write_all(text.as_bytes()).and_then(|()| output.flush())
            }
        };
    }
}

/// Lines of standard input, read by a thread of their own, which is left behind when the flow is over.
fn read_lines() -> Receiver<Vec<u8>> {
    let (lines, read) = sync_channel(LINES_WAITING);
    let reader = std::thread::Builder::new().name("pcmflow console".into());
    // Without a thread there are no lines, as at the end of the input.
    drop(reader.spawn(move || forward(&lines)));
    read
}

fn forward(lines: &SyncSender<Vec<u8>>) {
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        // One byte more than may be: what is longer is refused, and its rest read away.
        let most = LINE_BYTES_MAX as u64 + 2;
        match input.by_ref().take(most).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        while !line.ends_with(b"\n") {
            let mut rest = Vec::new();
            match input.by_ref().take(4_096).read_until(b'\n', &mut rest) {
                Ok(0) | Err(_) => break,
                Ok(_) if rest.ends_with(b"\n") => break,
                Ok(_) => {}
            }
        }
        if line.ends_with(b"\n") {
            line.pop();
        }
        if lines.send(line).is_err() {
            return;
        }
    }
}
