//! Cuts a stream into sequential, non-overlapping blocks of known position.

use super::BlockSize;
use crate::format::{Frames, StreamFormat, StreamPosition};
use crate::ledger::{CutMark, Gap};
use crate::stream::{Next, StreamReader};

/// What the analyser found.
///
/// ```
/// use pcmflow_core::block::{BlockSize, BufferAnalyzer, Step};
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_core::ledger::LossCause;
/// use pcmflow_core::stream::{stream, Overflow, StreamConfig};
/// let format = StreamFormat::new(48_000, 1)?;
/// let config = StreamConfig { format, capacity: Frames(512), quantum: Frames(128), overflow: Overflow::Reject };
/// let (mut writer, reader, _) = stream(config)?;
/// writer.write(&[0.5; 100], 0);
/// writer.give_up(Frames(28), LossCause::Device);
/// writer.write(&[0.5; 128], 0);
/// drop(writer);
/// let (mut analyzer, mut seen) = (BufferAnalyzer::new(reader, BlockSize::of::<128>()), Vec::new());
/// loop {
///     match analyzer.step() {
///         Step::Block(block) => {
///             seen.push(("block", block.position().0));
///             block.read_in_place(|_, _| {});
///         }
///         Step::Gap(gap) => seen.push(("gap", gap.position.0)),
///         Step::End => break,
///         _ => {}
///     }
/// }
/// assert_eq!(seen, [("block", 0), ("gap", 100), ("block", 128)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// The next block.
    Block(Block<'a>),
    /// Frames are missing here; the next block begins behind them.
    Gap(Gap),
    /// The writer's books up to here, or up to a position inside the last block.
    Cut(CutMark),
    /// No whole block is there yet.
    Pending,
    /// The stream has ended and every block was handed out.
    End,
}

/// Cuts a stream into blocks of one size.
///
/// A block is handed out when it is complete, so nothing is held between calls: what is not complete yet waits in the
/// ring. A gap or the end of the stream cuts a block short; the next one begins behind the gap, so that no block ever
/// reaches across missing frames, and every frame that arrived is in exactly one block.
///
/// ```
/// use pcmflow_core::block::{BlockSize, BufferAnalyzer, Step};
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_core::stream::{stream, Overflow, StreamConfig};
/// let (mut writer, reader, _) = stream(StreamConfig {
///     format: StreamFormat::new(48_000, 1)?,
///     capacity: Frames(1024),
///     quantum: Frames(128),
///     overflow: Overflow::Reject,
/// })?;
/// let mut analyzer = BufferAnalyzer::new(reader, BlockSize::of::<256>());
/// writer.write(&[0.5; 300], 0);
/// let Step::Block(block) = analyzer.step() else { panic!() };
/// assert_eq!((block.position().0, block.frames().0), (0, 256));
/// let mut samples = [0.0; 256];
/// assert_eq!(block.read(&mut samples).0, 256);
/// assert!(matches!(analyzer.step(), Step::Pending));
/// drop(writer);
/// let Step::Block(rest) = analyzer.step() else { panic!() };
/// assert_eq!((rest.position().0, rest.frames().0), (256, 44));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BufferAnalyzer {
    reader: StreamReader,
    size: BlockSize,
}

impl BufferAnalyzer {
    /// Cuts what `reader` brings into blocks of `size`, or of what the ring holds where that is less.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn new(reader: StreamReader, size: BlockSize) -> Self {
        Self { reader, size }
    }

    /// What the samples are.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn format(&self) -> StreamFormat {
        self.reader.format()
    }

    /// Takes what is there for the last: see [`StreamReader::end`].
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn end(&mut self) {
        self.reader.end();
    }

    /// The next block, gap or cut. A block that is dropped unread comes again.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn step(&mut self) -> Step<'_> {
        match self.reader.next(self.size.frames()) {
            Next::Frames { position, frames } => {
                Step::Block(Block { reader: &mut self.reader, position, frames })
            }
            Next::Gap(gap) => Step::Gap(gap),
            Next::Cut(cut) => Step::Cut(cut),
            Next::Pending => Step::Pending,
            Next::End => Step::End,
        }
    }
}

/// A block that waits in the ring: read it, or drop it and meet it again.
///
/// ```
/// use pcmflow_core::block::{BlockSize, BufferAnalyzer, Step};
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_core::stream::{stream, Overflow, StreamConfig};
/// let format = StreamFormat::new(48_000, 2)?;
/// let config = StreamConfig { format, capacity: Frames(512), quantum: Frames(128), overflow: Overflow::Reject };
/// let (mut writer, reader, _) = stream(config)?;
/// writer.write(&[0.5; 256], 7_000);
/// let mut analyzer = BufferAnalyzer::new(reader, BlockSize::of::<128>());
/// let Step::Block(mut block) = analyzer.step() else { panic!() };
/// assert_eq!((block.frames(), block.samples(), block.arrived_ns()), (Frames(128), 256, (7_000, 7_000)));
/// let mut sum = 0.0;
/// block.read_in_place(|first, second| sum = first.iter().chain(second).sum());
/// assert_eq!(sum, 128.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Block<'a> {
    reader: &'a mut StreamReader,
    position: StreamPosition,
    frames: Frames,
}

impl Block<'_> {
    /// Where its first frame stands.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn position(&self) -> StreamPosition {
        self.position
    }

    /// How many frames it has: the block size, or fewer before a gap and at the end.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn frames(&self) -> Frames {
        self.frames
    }

    /// How many samples it has.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn samples(&self) -> usize {
        self.frames.samples(self.reader.format().channels)
    }

    /// When its oldest and its newest frame arrived, in the writer's nanoseconds.
    ///
    /// RT-safe: wait-free in the writes that brought it, no allocation.
    pub fn arrived_ns(&mut self) -> (u64, u64) {
        (self.reader.arrived_ns(Frames::ZERO), self.reader.arrived_ns(self.frames - Frames(1)))
    }

    /// Copies the block, interleaved, to the start of `out`, and takes it from the ring. Returns the frames taken: fewer
    /// where `out` is too short, and the rest comes again as a block.
    ///
    /// RT-safe: wait-free, no allocation, at most two copies.
    pub fn read(self, out: &mut [f32]) -> Frames {
        let samples = self.samples().min(out.len());
        self.reader.read(&mut out[..samples])
    }

    /// Hands the block to `take` in place, as at most two slices, and takes it from the ring.
    ///
    /// RT-safe when `take` is: wait-free, no allocation.
    pub fn read_in_place(self, take: impl FnOnce(&[f32], &[f32])) -> Frames {
        self.reader.read_in_place(self.frames, take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::LossCause;
    use crate::stream::{Overflow, StreamConfig, StreamWriter, stream};
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn analyzer(channels: u32, block: u64) -> (StreamWriter, BufferAnalyzer) {
        analyzer_where(Overflow::Reject, channels, block)
    }

    fn analyzer_where(overflow: Overflow, channels: u32, block: u64) -> (StreamWriter, BufferAnalyzer) {
        let format = StreamFormat::new(48_000, channels).unwrap();
        let config = StreamConfig { format, capacity: Frames(4096), quantum: Frames(128), overflow };
        let (writer, reader, _) = stream(config).unwrap();
        (writer, BufferAnalyzer::new(reader, BlockSize::new(Frames(block)).unwrap()))
    }

    fn kinds(analyzer: &mut BufferAnalyzer) -> Vec<(char, u64, u64)> {
        let mut seen = Vec::new();
        loop {
            match analyzer.step() {
                Step::Block(block) => {
                    seen.push(('b', block.position().0, block.frames().0));
                    block.read_in_place(|_, _| {});
                }
                Step::Gap(gap) => seen.push(('g', gap.position.0, gap.frames.0)),
                Step::Cut(cut) => seen.push(('c', cut.position.0, 0)),
                Step::Pending | Step::End => return seen,
            }
        }
    }

    #[test]
    fn a_gap_cuts_a_block_short_and_a_cut_does_not() {
        let (mut writer, mut analyzer) = analyzer(2, 256);
        let _ = writer.write(&[0.0; 2 * 300], 0);
        writer.cut();
        let _ = writer.write(&[0.0; 2 * 100], 0);
        writer.give_up(Frames(50), LossCause::Device);
        let _ = writer.write(&[0.0; 2 * 256], 0);
        drop(writer);
        let expected =
            [('b', 0, 256), ('b', 256, 144), ('c', 300, 0), ('g', 400, 50), ('b', 450, 256), ('c', 706, 0)];
        assert_eq!(kinds(&mut analyzer), expected);
        assert!(matches!(analyzer.step(), Step::End));
    }

    #[test]
    fn an_unread_block_comes_again_and_a_short_slice_takes_a_part() {
        let (mut writer, mut analyzer) = analyzer(1, 256);
        let _ = writer.write(&[1.0; 256], 0);
        assert!(matches!(analyzer.step(), Step::Block(_)));
        let Step::Block(block) = analyzer.step() else { panic!() };
        assert_eq!(block.read(&mut [0.0; 100]), Frames(100));
        let _ = writer.write(&[1.0; 100], 0);
        let Step::Block(block) = analyzer.step() else { panic!() };
        assert_eq!((block.position(), block.frames()), (StreamPosition(100), Frames(256)));
    }

    #[test]
    fn a_writer_that_hangs_can_be_taken_for_gone() {
        let (mut writer, mut analyzer) = analyzer(1, 256);
        let _ = writer.write(&[0.0; 300], 0);
        assert_eq!(kinds(&mut analyzer), [('b', 0, 256)]);
        assert!(matches!(analyzer.step(), Step::Pending));
        analyzer.end();
        assert_eq!(kinds(&mut analyzer), [('b', 256, 44)]);
        assert!(matches!(analyzer.step(), Step::End));
    }

    #[test]
    fn an_eviction_cuts_a_block_short_and_an_announced_block_stays() {
        let (mut writer, mut analyzer) = analyzer_where(Overflow::EvictOldest, 2, 256);
        let _ = writer.write(&[1.0; 2 * 200], 7);
        assert!(matches!(analyzer.step(), Step::Pending));
        // 200 frames wait with the reader, the storage of 4096 takes the others and evicts 104 of them.
        let _ = writer.write(&[2.0; 2 * 4200], 8);
        let Step::Block(block) = analyzer.step() else { panic!() };
        assert_eq!((block.position(), block.frames()), (StreamPosition(0), Frames(200)));
        let _ = writer.write(&[3.0; 2 * 8192], 9);
        let Step::Block(mut block) = analyzer.step() else {
            panic!("a block that is dropped unread comes again")
        };
        assert_eq!((block.position(), block.arrived_ns()), (StreamPosition(0), (7, 7)));
        let mut samples = [0.0; 2 * 256];
        assert_eq!(block.read(&mut samples), Frames(200));
        assert!(samples[..400].iter().all(|sample| *sample == 1.0));
        drop(writer);
        // With the first eviction the rest of a block was taken from what was left then.
        let mut expected = vec![('g', 200, 104), ('b', 304, 56), ('g', 360, 8136)];
        expected.extend((0..16).map(|n| ('b', 8496 + 256 * n, 256)));
        expected.push(('c', 12_592, 0));
        assert_eq!(kinds(&mut analyzer), expected);
    }

    proptest! {
        /// Whatever sizes are written, the blocks are those of cutting the whole at once.
        #[test]
        fn blocks_do_not_depend_on_how_frames_arrive(
            writes in proptest::collection::vec(1usize..600, 1..12), channels in 1usize..4, quanta in 1u64..4,
            policy in 0..Overflow::ALL.len(),
        ) {
            let block = quanta * 128;
            let (mut writer, mut analyzer) = analyzer_where(Overflow::ALL[policy].1, channels as u32, block);
            let total: usize = writes.iter().sum();
            let all: Vec<f32> = (0..total * channels).map(|n| n as f32).collect();
            let (mut got, mut sizes, mut sent) = (Vec::new(), Vec::new(), 0);
            let mut take = |analyzer: &mut BufferAnalyzer| while let Step::Block(block) = analyzer.step() {
                assert_eq!(block.position().0 as usize * channels, got.len());
                sizes.push(block.frames().0);
                let mut samples = vec![0.0; block.samples()];
                block.read(&mut samples);
                got.extend(samples);
            };
            for frames in writes {
                let _ = writer.write(&all[sent * channels..(sent + frames) * channels], 0);
                sent += frames;
                take(&mut analyzer);
            }
            drop(writer);
            take(&mut analyzer);
            let rest = total as u64 % block;
            let expected = (0..total as u64 / block).map(|_| block).chain((rest > 0).then_some(rest)).collect::<Vec<_>>();
            prop_assert_eq!(sizes, expected);
            prop_assert_eq!(got, all);
        }
    }
}
