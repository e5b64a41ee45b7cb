//! Units, views and encodings.

use crate::guard::rt;
use pcmflow_core::format::*;

pub(crate) fn entries() {
    units();
    views();
    encodings();
    channels();
}

fn channels() {
    let count = |channels| ChannelCount::new(channels).unwrap();
    let mut maps: Vec<_> = [(1, 1), (2, 1), (1, 2), (6, 2), (4, 6)]
        .map(|(from, to)| ChannelMap::new(count(from), count(to)))
        .into();
    maps.push(ChannelMap::with_matrix(count(2), count(3), &[0.5; 6]).unwrap());
    for map in maps {
        rt("ChannelMap::from", || map.from());
        rt("ChannelMap::to", || map.to());
        assert!(!rt("ChannelMap::keeps_first_only", || map.keeps_first_only()));
        let mut out = [0.0; 60];
        assert!(rt("ChannelMap::map", || map.map(&[0.5; 60], &mut out)).0 >= 10);
    }
}

fn units() {
    let rate = rt("SampleRate::new", || SampleRate::new(44_100)).unwrap();
    assert!(rt("SampleRate::new", || SampleRate::new(0)).is_err());
    rt("SampleRate::hz", || rate.hz());
    rt("SampleRate::frames_to_ns", || rate.frames_to_ns(Frames(441)));
    rt("SampleRate::ns_to_frames", || rate.ns_to_frames(10_000_000));
    rt("SampleRate::frames_to_secs", || rate.frames_to_secs(Frames(441)));
    let channels = rt("ChannelCount::new", || ChannelCount::new(2)).unwrap();
    assert!(rt("ChannelCount::new", || ChannelCount::new(0)).is_err());
    rt("ChannelCount::get", || channels.get());
    rt("Frames::samples", || Frames(3).samples(channels));
    rt("Frames::in_samples", || Frames::in_samples(7, channels));
    rt("StreamPosition::secs", || StreamPosition(7).secs(rate));
    assert!(rt("StreamFormat::new", || StreamFormat::new(48_000, 0)).is_err());
}

fn views() {
    let samples = [0.5; 6];
    let view = rt("Interleaved::new", || Interleaved::new(&samples, ChannelCount::STEREO)).unwrap();
    assert!(rt("Interleaved::new", || Interleaved::new(&samples[..5], ChannelCount::STEREO)).is_err());
    rt("Interleaved::samples", || view.samples());
    rt("Interleaved::channels", || view.channels());
    rt("Interleaved::frames", || view.frames());
    assert_eq!(rt("Interleaved::channel", || view.channel(1).sum::<f32>()), 1.5);
    assert_eq!(rt("Interleaved::mono", || view.mono().sum::<f32>()), 1.5);
    let (mut left, mut right) = ([0.0; 3], [0.0; 3]);
    rt("Interleaved::copy_to_planes", || view.copy_to_planes(&mut [&mut left, &mut right]));
    let planes = [&left[..], &right];
    let view = rt("Planar::new", || Planar::new(&planes)).unwrap();
    assert!(rt("Planar::new", || Planar::new(&[])).is_err());
    rt("Planar::planes", || view.planes());
    rt("Planar::channels", || view.channels());
    rt("Planar::frames", || view.frames());
    rt("Planar::copy_to_interleaved", || view.copy_to_interleaved(&mut [0.0; 6]));
}

fn encodings() {
    for format in ["u8", "s16", "s24", "s32", "f32", "f64"] {
        for order in ["le", "be"] {
            let name = if format == "u8" { format.to_owned() } else { format!("{format}{order}") };
            let Ok(encoding) = name.parse::<SampleEncoding>() else { continue };
            let (mut bytes, mut samples) = ([0; 64], [0.5; 8]);
            let taken = rt("SampleFormat::bytes", || encoding.format.bytes()) * 8;
            rt("SampleEncoding::encode", || encoding.encode(&samples, &mut bytes));
            rt("SampleEncoding::decode", || encoding.decode(&bytes[..taken], &mut samples));
            assert!((samples[7] - 0.5).abs() < 0.01, "{name}");
        }
    }
}
