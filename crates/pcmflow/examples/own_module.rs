//! A module of one's own beside pcmflow's: a gate that counts how often somebody plays.
//!
//! ```text
//! cargo run --release -p pcmflow --example own_module
//! ```

use pcmflow::core::chunk::AudioChunk;
use pcmflow::core::pool::{BufferRecyclingPool, PoolConfig};
use pcmflow::engine::config::Config;
use pcmflow::engine::flow::{DataFlowCoordinator, Node, NodeError, Out, PipelineConfig, Ports};
use pcmflow::engine::pressure::Strategy;
use pcmflow::engine::session::{FlowModule, FlowPart, Session, SharedFlow};
use pcmflow::engine::transform::Shape;
use pcmflow::flow_file::Feed;
use pcmflow::io::SynthSpec;
use pcmflow::nodes::{Levels, Pitched, analysis};
use pcmflow::runtime::{Clock, Input, InputConfig, Pacing, Threads, ThreadsConfig};
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Counts how often it becomes loud behind silence.
struct Onsets {
    loud: bool,
    count: Arc<AtomicU32>,
}

impl Node for Onsets {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        for sample in chunk.samples() {
            let loud = sample.abs() > if self.loud { 0.001 } else { 0.1 };
            if loud && !self.loud {
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            self.loud |= loud;
        }
        // Quiet throughout: the next loud sample is another onset.
        self.loud &= chunk.samples().iter().any(|sample| sample.abs() > 0.001);
        Ok(())
    }
}

/// The module: while it runs, the node `onsets` listens to the node `clicks`.
fn onsets(flow: SharedFlow, count: Arc<AtomicU32>) -> FlowModule {
    FlowModule::new("onsets", &["data-management"], flow, move |_| {
        let node = Onsets { loud: false, count: count.clone() };
        let pipeline =
            PipelineConfig { strategy: Strategy::Block, ..PipelineConfig::new("clicks", "onsets") };
        Ok(FlowPart {
            nodes: vec![("onsets".to_owned(), Ports::sink(None), Box::new(node))],
            pipelines: vec![pipeline],
        })
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let clock = Clock::start();
    let threads = Threads::start(ThreadsConfig::default(), clock)?;
    let flow = DataFlowCoordinator::new(threads.clone(), BufferRecyclingPool::new(PoolConfig::default())?);
    let mut session = Session::new(flow, threads.bus().clone(), Arc::new(clock), Config::default())?;

    // Eight clicks in two seconds, as fast as they can be made.
    let source = "clicks:250ms,seconds=2".parse::<SynthSpec>()?.source()?;
    let config = InputConfig { pacing: Pacing::Fast, ..InputConfig::default() };
    let (input, inflow) = Input::new("clicks", Box::new(source), config, clock)?;
    let format = input.format();
    let shared = session.flow();
    let mut flow = shared.lock().unwrap_or_else(PoisonError::into_inner);
    flow.add_source("clicks", Shape::new(format), input.is_live(), Box::new(inflow))?;
    drop(flow);
    session.add_input("clicks", Box::new(Feed::new(input)))?;

    let (count, blocks) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    session.register(Box::new(onsets(session.flow(), count.clone())))?;
    let measured = blocks.clone();
    let heard = move |_: Levels| {
        measured.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    session.register(Box::new(analysis(session.flow(), "clicks", format, |_: Pitched| Ok(()), heard)))?;

    session.start()?;
    while !session.is_over() {
        std::thread::sleep(Duration::from_millis(10));
        session.tick();
    }
    for module in session.modules() {
        println!("{:<16} {}: {:?}", module.name, module.state.name(), module.health);
    }
    let ledger = session.look().ledger.clone();
    session.stop();
    threads.stop();
    println!(
        "{} onsets, {} blocks measured, {} frames unaccounted for",
        count.load(Ordering::Relaxed),
        blocks.load(Ordering::Relaxed),
        ledger.unaccounted
    );
    assert_eq!((count.load(Ordering::Relaxed), ledger.unaccounted), (8, 0));
    assert!(blocks.load(Ordering::Relaxed) > 90);
    Ok(())
}
