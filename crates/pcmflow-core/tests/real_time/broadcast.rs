//! The broadcast ring: read in time, overtaken, subscribed to, closed.

use crate::guard::rt;
use pcmflow_core::broadcast::BroadcastRing;

pub(crate) fn entries() {
    for channels in [1, 3] {
        let ring = BroadcastRing::<f32>::with_frames(4, channels).unwrap();
        rt("BroadcastRing::capacity", || ring.capacity());
        let gauge = ring.gauge();
        let (mut writer, mut reader) = ring.split();
        rt("BroadcastWriter::capacity", || writer.capacity());
        rt("BroadcastReader::capacity", || reader.capacity());
        rt("BroadcastGauge::capacity", || gauge.capacity());
        let mut out = [0.0; 16];
        let mut lost = 0;
        for frames in [1, 3, 4, 9, 2] {
            rt("BroadcastWriter::write", || writer.write(&[0.5; 27][..frames * channels]));
            rt("BroadcastWriter::position", || writer.position());
            rt("BroadcastReader::available", || reader.available());
            rt("BroadcastReader::lag", || reader.lag());
            rt("BroadcastGauge::written", || gauge.written());
            rt("BroadcastGauge::occupancy_from", || gauge.occupancy_from(reader.position()));
            let read = rt("BroadcastReader::read", || reader.read(&mut out));
            assert_eq!(rt("Read::end", || read.end()), rt("BroadcastReader::position", || reader.position()));
            lost += read.position - rt("Read::lost_from", || read.lost_from());
        }
        assert_ne!(lost, 0, "one write was longer than the ring");
        let newest = rt("BroadcastWriter::subscribe", || writer.subscribe());
        let other = rt("BroadcastReader::subscribe", || newest.subscribe());
        let mut oldest = rt("BroadcastReader::subscribe_from_oldest", || newest.subscribe_from_oldest());
        rt("BroadcastReader::skip_to_newest", || oldest.skip_to_newest());
        assert_eq!(rt("BroadcastGauge::readers", || gauge.readers()), 4);
        rt("BroadcastReader::drop", || drop((newest, other, oldest)));
        assert!(!rt("BroadcastWriter::is_closed", || writer.is_closed()));
        assert!(!rt("BroadcastReader::is_closed", || reader.is_closed()));
        assert!(!rt("BroadcastReader::is_finished", || reader.is_finished()));
        rt("BroadcastWriter::drop", || drop(writer));
        assert!(rt("BroadcastGauge::is_closed", || gauge.is_closed()));
        let other = rt("BroadcastGauge::clone", || gauge.clone());
        assert!(other.is_closed());
        let _ = rt("BroadcastReader::read", || reader.read(&mut out));
    }
}
