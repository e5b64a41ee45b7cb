//! What makes of a link's chunks the format that its node wants; another one where the source changes its format.

use crate::flow::graph::Edge;
use crate::transform::{Chain, Cost, Plan, PlanError, Shape, Transform};
use pcmflow_core::chunk::{AudioChunk, Packet};
use pcmflow_core::format::StreamFormat;
use pcmflow_core::ledger::{Conversion, Gap, LossCause};
use pcmflow_core::pool::BufferRecyclingPool;
use pcmflow_core::stream::Mark;

/// Passes chunks on, in the wanted shape.
#[derive(Debug, Default)]
pub(in crate::flow) struct Adapter {
    /// None: any.
    wanted: Option<Shape>,
    /// What is wanted has the rate that comes.
    follows_rate: bool,
    /// What was told to come.
    planned: Option<Shape>,
    /// What the chunks are that come now; none before the first.
    from: Option<StreamFormat>,
    /// None where nothing needs to be done, or nothing can be.
    chain: Option<Chain>,
    refused: bool,
    /// The books of chains that are over.
    pub(in crate::flow) conversions: Vec<Conversion>,
}

impl Adapter {
    /// What a pipeline needs as it was checked.
    pub(in crate::flow) fn new(edge: &Edge) -> Result<Self, PlanError> {
        let plan = edge.plan.as_ref().filter(|plan| plan.cost() > Cost::Free);
        let chain = plan.map(Plan::build).transpose()?;
        let (wanted, follows_rate, planned) = (edge.wanted, edge.follows_rate, edge.shape);
        let from = planned.map(|shape| shape.format).filter(|_| edge.plan.is_some());
        Ok(Self { wanted, follows_rate, planned, from, chain, refused: false, conversions: Vec::new() })
    }

    /// The format is another from here on: what the chain before held comes out first. Allocates, once a change.
    fn change(&mut self, chunk: &AudioChunk, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        self.finish(pool, emit);
        let format = chunk.meta().format;
        self.from = Some(format);
        self.refused = false;
        let Some(mut wanted) = self.wanted else { return };
        if self.follows_rate {
            wanted.format.rate = format.rate;
        }
        let from = self.planned.filter(|planned| planned.format == format).unwrap_or(Shape::new(format));
        match Plan::between(from, wanted).and_then(|plan| Ok((plan.cost(), plan.build()?))) {
            Ok((Cost::Free, _)) => {}
            Ok((_, chain)) => self.chain = Some(chain),
            Err(_) => self.refused = true,
        }
    }

    /// Takes a chunk.
    pub(in crate::flow) fn process(
        &mut self,
        chunk: AudioChunk,
        pool: &BufferRecyclingPool,
        emit: &mut dyn FnMut(Packet),
    ) {
        if self.wanted.is_some() && self.from != Some(chunk.meta().format) {
            self.change(&chunk, pool, emit);
        }
        match &mut self.chain {
            Some(chain) => chain.process(chunk, pool, emit),
            None if self.refused => {
                let cause = LossCause::Corrupt;
                let gap = Gap { position: chunk.position(), frames: chunk.span(), cause };
                emit(Packet::Mark(Mark::Gap(gap)));
            }
            None => emit(Packet::Chunk(chunk)),
        }
    }

    /// Takes a gap.
    pub(in crate::flow) fn gap(
        &mut self,
        gap: Gap,
        pool: &BufferRecyclingPool,
        emit: &mut dyn FnMut(Packet),
    ) {
        match &mut self.chain {
            Some(chain) => chain.gap(gap, pool, emit),
            None => emit(Packet::Mark(Mark::Gap(gap))),
        }
    }

    /// The stream is over, or another format comes: gives what was held.
    pub(in crate::flow) fn finish(&mut self, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        if let Some(chain) = &mut self.chain {
            chain.finish(pool, emit);
        }
        self.close();
    }

    /// Closes the books of the chain in use.
    pub(in crate::flow) fn close(&mut self) {
        if let Some(chain) = self.chain.take() {
            self.conversions.push(chain.conversion());
        }
    }
}
