//! Chains in steady state, and the bytes at the edges.

use crate::guard::{calls, rt};
use pcmflow_core::chunk::{AudioChunk, ChunkMeta, Packet};
use pcmflow_core::format::*;
use pcmflow_core::ledger::{Gap, LossCause};
use pcmflow_core::pool::{BufferRecyclingPool, ClassConfig, Miss, PoolConfig};
use pcmflow_engine::transform::*;

pub(crate) fn entries() {
    figures();
    chains();
    bytes();
}

fn figures() {
    let format = StreamFormat::new(48_000, 2).unwrap();
    let shape = rt("Shape::new", || Shape::new(format));
    let shape = rt("Shape::in_blocks", || shape.in_blocks(Frames(128)));
    rt("Latency::new", || Latency::new(Frames(128), format.rate));
    let plan = Plan::between(shape, StreamFormat::new(16_000, 1).unwrap()).unwrap();
    assert_eq!(rt("Plan::from", || plan.from()), shape);
    rt("Plan::to", || plan.to());
    rt("Plan::cost", || plan.cost());
    rt("Plan::latency", || plan.latency());
    rt("Plan::buffer_samples", || plan.buffer_samples());
    rt("Plan::buffers", || plan.buffers().len());
    for to in [48_000, 44_100] {
        let to = SampleRate::new(to).unwrap();
        let mut resampler = Resampler::new(SampleRate::HZ_48000, to, ChannelCount::MONO).unwrap();
        resampler.process(&[0.5; 1000], &mut Vec::new()).unwrap();
        assert_eq!(rt("Resampler::format", || resampler.format()).rate, to);
        assert_eq!(rt("Resampler::frames_in", || resampler.frames_in()).0, 1000);
        rt("Resampler::frames_out", || resampler.frames_out());
        rt("Resampler::frames_held", || resampler.frames_held());
        rt("Resampler::frames_held_max", || resampler.frames_held_max());
    }
}

fn pool(buffers: usize) -> BufferRecyclingPool {
    let class = |samples| ClassConfig { samples, buffers_max: buffers, buffers_prewarm: buffers };
    let classes = [256, 1024, 4096].map(class).to_vec();
    BufferRecyclingPool::new(PoolConfig { classes, ..PoolConfig::default() }).unwrap()
}

/// Every kind of step, with gaps, jumps, and a pool that runs dry; many times over.
fn chains() {
    let wanted = |hz, channels, block: u64| {
        let shape = Shape::new(StreamFormat::new(hz, channels).unwrap());
        Wanted::from(if block > 0 { shape.in_blocks(Frames(block)) } else { shape })
    };
    let adjustable = Wanted { adjustable: true, ..wanted(48_000, 2, 128) };
    let kinds = [
        wanted(48_000, 2, 0),
        wanted(48_000, 1, 0),
        wanted(48_000, 2, 1024),
        wanted(16_000, 1, 320),
        wanted(44_100, 6, 100),
        wanted(16_001, 2, 0),
        adjustable,
    ];
    let format = StreamFormat::new(48_000, 2).unwrap();
    for wanted in kinds {
        let plan = Plan::between(Shape::new(format), wanted).unwrap();
        let mut chain = plan.build().unwrap();
        let (input, out, scarce) = (pool(64), pool(64), pool(1));
        let kept = scarce.acquire(4096, Miss::Fail).unwrap();
        let (mut position, mut packets) = (0, 0);
        let mut emit = |packet: Packet| {
            packets += 1;
            drop(packet);
        };
        for round in 0..400u64 {
            let frames = [128, 480, 1, 1024, 0][round as usize % 5];
            let mut buffer = input.acquire(2 * frames, Miss::NextClassUp).unwrap();
            assert_eq!(buffer.resize(2 * frames, 0.5), 2 * frames);
            let (timestamp_ns, complete_ns) = (round, round);
            let meta = ChunkMeta {
                format,
                position: StreamPosition(position),
                sequence: round,
                timestamp_ns,
                complete_ns,
            };
            let chunk = AudioChunk::new(buffer.into_shared(), meta).unwrap();
            position = chunk.end().0;
            let pool = if round % 50 > 45 { &scarce } else { &out };
            rt("Transform::process", || chain.process(chunk, pool, &mut emit));
            rt("Chain::set_drift_ppb", || chain.set_drift_ppb(round as i32));
            match round % 40 {
                9 => position += 77,
                19 => {
                    let gap =
                        Gap { position: StreamPosition(position), frames: Frames(5), cause: LossCause::Shed };
                    position += 5;
                    rt("Transform::gap", || chain.gap(gap, pool, &mut emit));
                }
                29 => rt("Transform::finish", || chain.finish(pool, &mut emit)),
                _ => {}
            }
            assert_eq!(rt("Transform::conversion", || chain.conversion()).imbalance(), Frames::ZERO);
            rt("Transform::latency", || chain.latency());
            rt("Transform::format", || chain.format());
            rt("Transform::lost", || chain.lost());
        }
        drop(kept);
        assert!(packets > 100);
        // The guard sees what it should: building is another matter, where there is something to build.
        assert_eq!(calls(|| drop(plan.build())) > 0, plan.cost() > Cost::Free);
    }
}

fn bytes() {
    for layout in [Layout::Interleaved, Layout::Planar] {
        for (name, encoding) in SampleEncoding::ALL {
            let frame = FrameBytes { encoding, layout, channels: ChannelCount::STEREO };
            let (mut bytes, mut samples) = ([0; 800], [0.3; 100]);
            let mut dither = rt("Dither::new", || Dither::new(5));
            rt("Dither::encode", || dither.encode(encoding, &samples, &mut bytes));
            let frames = rt("FrameBytes::encode", || frame.encode(&samples, &mut bytes, Some(&mut dither)));
            assert_eq!(frames, Frames(50), "{name}");
            rt("FrameBytes::encode", || frame.encode(&samples, &mut bytes, None));
            rt("FrameBytes::frames_in", || frame.frames_in(800));
            rt("FrameBytes::decode", || frame.decode(&bytes, &mut samples));
        }
    }
}
