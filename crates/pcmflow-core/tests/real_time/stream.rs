//! Streams of both policies: with room, full, with gaps and cuts, ended.

use crate::guard::rt;
use pcmflow_core::format::{Frames, StreamFormat};
use pcmflow_core::ledger::LossCause;
use pcmflow_core::stream::*;

pub(crate) fn config(overflow: Overflow) -> StreamConfig {
    let format = StreamFormat::new(48_000, 2).unwrap();
    StreamConfig { format, capacity: Frames(16), quantum: Frames(4), overflow }
}

pub(crate) fn entries() {
    for &(_, overflow) in Overflow::ALL {
        frames_gaps_and_cuts(overflow);
        a_full_store_of_marks(overflow);
        ends(overflow);
    }
}

fn frames_gaps_and_cuts(overflow: Overflow) {
    let (mut writer, mut reader, gauge) = stream(config(overflow)).unwrap();
    rt("StreamWriter::format", || writer.format());
    rt("StreamReader::format", || reader.format());
    rt("StreamWriter::capacity", || writer.capacity());
    rt("StreamReader::capacity", || reader.capacity());
    rt("StreamGauge::capacity", || gauge.capacity());
    rt("StreamGauge::storage_bytes", || gauge.storage_bytes());
    let mut out = [0.0; 2 * 3];
    let (mut gaps, mut cuts) = (0, 0);
    for turn in 0..40u64 {
        // Five quanta into a ring of four, and a partial one: what does not fit is lost or handed back.
        let written = rt("StreamWriter::write", || writer.write(&[0.5; 2 * 22], turn));
        rt("StreamWriter::give_up", || writer.give_up(written.rejected, LossCause::Overflow));
        rt("StreamWriter::give_up", || writer.give_up(Frames(1), LossCause::Device));
        rt("StreamWriter::cut", || writer.cut());
        rt("StreamWriter::has_room", || writer.has_room(Frames(4)));
        rt("StreamWriter::position", || writer.position());
        rt("StreamGauge::state", || gauge.state(Frames(8)));
        rt("StreamGauge::occupancy", || gauge.occupancy());
        rt("StreamGauge::snapshot", || gauge.snapshot());
        loop {
            match rt("StreamReader::next", || reader.next(Frames(5))) {
                Next::Frames { position, frames } => {
                    assert_eq!(rt("StreamReader::position", || reader.position()), position);
                    rt("StreamReader::arrived_ns", || reader.arrived_ns(Frames::ZERO));
                    rt("StreamReader::arrived_ns", || reader.arrived_ns(frames - Frames(1)));
                    rt("StreamReader::read", || reader.read(&mut out));
                    rt("StreamReader::read_in_place", || reader.read_in_place(Frames(1), |_, _| {}));
                    rt("StreamReader::skip", || reader.skip(Frames(1)));
                }
                Next::Gap(_) => gaps += 1,
                Next::Cut(_) => cuts += 1,
                Next::Pending => break,
                next => panic!("{next:?} while the writer lives"),
            }
        }
        rt("StreamReader::next", || reader.next(Frames(100)));
    }
    assert!(gaps > 10 && cuts > 10, "no idle path: {gaps} gaps, {cuts} cuts");
}

fn a_full_store_of_marks(overflow: Overflow) {
    let (mut writer, reader, _) = stream(config(overflow)).unwrap();
    for turn in 0..100 {
        let _ = rt("StreamWriter::write", || writer.write(&[0.5; 2], turn));
        rt("StreamWriter::give_up", || writer.give_up(Frames(1), LossCause::Shed));
        rt("StreamWriter::cut", || writer.cut());
    }
    drop(reader);
}

fn ends(overflow: Overflow) {
    let (mut writer, mut reader, _) = stream(config(overflow)).unwrap();
    writer.give_up(Frames(3), LossCause::Device);
    rt("StreamReader::end", || reader.end());
    assert!(matches!(rt("StreamReader::next", || reader.next(Frames(1))), Next::Gap(_)));
    assert_eq!(rt("StreamReader::next", || reader.next(Frames(1))), Next::End);

    let (mut writer_of_another, reader_of_another, _) = stream(config(overflow)).unwrap();
    drop(reader_of_another);
    assert!(rt("StreamWriter::is_closed", || writer_of_another.is_closed()));
    assert_eq!(rt("StreamWriter::write", || writer_of_another.write(&[0.5; 2], 0)).rejected, Frames(1));

    let _ = writer.write(&[0.5; 2], 0);
    rt("StreamWriter::drop", || drop(writer));
    rt("StreamReader::next", || reader.next(Frames(8)));
}
