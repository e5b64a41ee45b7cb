//! Block sizes, the analyser and windows.

use crate::guard::rt;
use crate::stream::config;
use pcmflow_core::block::*;
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::LossCause;
use pcmflow_core::stream::{Overflow, StreamConfig, stream};

pub(crate) fn entries() {
    sizes();
    blocks();
    windows();
}

fn sizes() {
    assert_eq!(rt("BlockSize::of", BlockSize::of::<256>), BufferConstants::DEVELOPMENT_MIN);
    assert!(rt("BlockSize::new", || BlockSize::new(Frames(100))).is_err());
    rt("BlockSize::frames", || BufferConstants::PRODUCTION.frames());
    for (_, profile) in Profile::ALL {
        rt("Profile::block", || profile.block(None)).unwrap();
        rt("Profile::block", || profile.block(Some(Frames(256)))).ok();
        assert!(rt("Profile::block", || profile.block(Some(Frames(100)))).is_err());
    }
}

fn blocks() {
    let config = StreamConfig { capacity: Frames(512), ..config(Overflow::DropNewest) };
    let (mut writer, reader, _) = stream(config).unwrap();
    let mut analyzer = rt("BufferAnalyzer::new", || BufferAnalyzer::new(reader, BlockSize::of::<128>()));
    rt("BufferAnalyzer::format", || analyzer.format());
    let mut out = [0.0; 2 * 128];
    let mut blocks = 0;
    for turn in 0..20 {
        let _ = writer.write(&[0.5; 2 * 300], turn);
        writer.give_up(Frames(7), LossCause::Device);
        writer.cut();
        loop {
            match rt("BufferAnalyzer::step", || analyzer.step()) {
                Step::Block(mut block) => {
                    blocks += 1;
                    rt("Block::position", || block.position());
                    rt("Block::frames", || block.frames());
                    rt("Block::samples", || block.samples());
                    rt("Block::arrived_ns", || block.arrived_ns());
                    if blocks % 2 == 0 {
                        rt("Block::read", || block.read(&mut out));
                    } else {
                        rt("Block::read_in_place", || block.read_in_place(|_, _| {}));
                    }
                }
                Step::Pending => break,
                _ => {}
            }
        }
    }
    assert!(blocks > 40);
    rt("BufferAnalyzer::end", || analyzer.end());
    rt("BufferAnalyzer::step", || while !matches!(analyzer.step(), Step::End) {});
}

fn windows() {
    let window = Window::new(WindowKind::Blackman, 64, WindowSymmetry::Periodic);
    rt("Window::kind", || window.kind());
    rt("Window::weights", || window.weights());
    rt("Window::apply", || window.apply(&mut [0.5; 64]));
}
