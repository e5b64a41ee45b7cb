//! Frames as bytes: what files, sockets and typed arrays hold.

use super::Dither;
use pcmflow_core::format::{ChannelCount, Frames, Layout, SampleEncoding};

/// How frames lie in a slice of bytes.
///
/// Planar, the slice is cut into as many planes as there are channels, each as long as fits: a plane is `bytes / channels`,
/// whole samples only. What is left over at the end of a plane or of the slice is not touched.
///
/// ```
/// use pcmflow_core::format::{ChannelCount, Layout};
/// use pcmflow_engine::transform::FrameBytes;
/// let planar = FrameBytes { encoding: "s16le".parse()?, layout: Layout::Planar, channels: ChannelCount::STEREO };
/// let mut bytes = [0; 8];
/// assert_eq!(planar.encode(&[0.5, -0.5, 0.25, -0.25], &mut bytes, None).0, 2);
/// assert_eq!(bytes, [0x00, 0x40, 0x00, 0x20, 0x00, 0xc0, 0x00, 0xe0]);
/// let mut back = [0.0; 4];
/// assert_eq!(planar.decode(&bytes, &mut back).0, 2);
/// assert_eq!(back, [0.5, -0.5, 0.25, -0.25]);
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameBytes {
    /// How a sample is stored.
    pub encoding: SampleEncoding,
    /// Frame after frame, or channel after channel.
    pub layout: Layout,
    /// Samples per frame.
    pub channels: ChannelCount,
}

impl FrameBytes {
    /// The whole frames that so many bytes hold.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn frames_in(&self, bytes: usize) -> Frames {
        Frames::in_samples(bytes / self.encoding.format.bytes(), self.channels)
    }

    /// Reads as many whole frames as both slices hold into interleaved samples; returns how many.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn decode(&self, bytes: &[u8], interleaved: &mut [f32]) -> Frames {
        let channels = self.channels.get();
        let frames = self.frames_in(bytes.len()).min(Frames::in_samples(interleaved.len(), self.channels));
        let interleaved = &mut interleaved[..frames.samples(self.channels)];
        if self.layout == Layout::Interleaved {
            self.encoding.decode(bytes, interleaved);
            return frames;
        }
        let (sample_bytes, plane) = self.planes(bytes.len());
        for (channel, bytes) in bytes.chunks_exact(plane.max(1)).take(channels).enumerate() {
            for (frame, sample) in
                interleaved.chunks_exact_mut(channels).zip(bytes.chunks_exact(sample_bytes))
            {
                self.encoding.decode(sample, &mut frame[channel..=channel]);
            }
        }
        frames
    }

    /// Writes as many whole frames as both slices hold, out of interleaved samples; returns how many. Without dither,
    /// samples are rounded to the nearest step.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn encode(&self, interleaved: &[f32], bytes: &mut [u8], dither: Option<&mut Dither>) -> Frames {
        let channels = self.channels.get();
        let frames = self.frames_in(bytes.len()).min(Frames::in_samples(interleaved.len(), self.channels));
        let interleaved = &interleaved[..frames.samples(self.channels)];
        let (sample_bytes, plane) = self.planes(bytes.len());
        let encoding = self.encoding;
        let mut dither = dither;
        let mut write = |samples: &[f32], bytes: &mut [u8]| match &mut dither {
            Some(dither) => dither.encode(encoding, samples, bytes),
            None => encoding.encode(samples, bytes),
        };
        if self.layout == Layout::Interleaved {
            write(interleaved, bytes);
            return frames;
        }
        for (channel, bytes) in bytes.chunks_exact_mut(plane.max(1)).take(channels).enumerate() {
            for (frame, sample) in
                interleaved.chunks_exact(channels).zip(bytes.chunks_exact_mut(sample_bytes))
            {
                write(&frame[channel..=channel], sample);
            }
        }
        frames
    }

    /// Bytes of a sample, and of a plane.
    fn planes(&self, bytes: usize) -> (usize, usize) {
        let sample_bytes = self.encoding.format.bytes();
        (sample_bytes, bytes / (self.channels.get() * sample_bytes) * sample_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcmflow_core::format::{Interleaved, SampleFormat};
    use proptest::prelude::*;

    /// The step between two values near full scale.
    fn step(format: SampleFormat) -> f32 {
        match format {
            SampleFormat::U8 | SampleFormat::S8 => 1.0 / 128.0,
            SampleFormat::S16 => 1.0 / 32_768.0,
            SampleFormat::S24 => 1.0 / 8_388_608.0,
            SampleFormat::S32 | SampleFormat::F32 | SampleFormat::F64 => 0.0,
        }
    }

    proptest! {
        #[test]
        fn every_encoding_round_trips_within_its_step(
            which in 0usize..12, channels in 1u32..=64, planar in any::<bool>(), dithered in any::<bool>(),
            samples in proptest::collection::vec(-1.0f32..1.0, 0..300), room in 0usize..3_000,
        ) {
            let layout = if planar { Layout::Planar } else { Layout::Interleaved };
            let frame = FrameBytes { encoding: SampleEncoding::ALL[which].1, layout, channels: ChannelCount::new(channels).unwrap() };
            let mut bytes = vec![0xAB; room];
            let mut dither = Dither::new(3);
            let frames = frame.encode(&samples, &mut bytes, dithered.then_some(&mut dither));
            let whole = (samples.len() / channels as usize).min(room / channels as usize / frame.encoding.format.bytes());
            prop_assert_eq!(frames.0 as usize, whole);
            let mut back = vec![9.0; samples.len()];
            let read = frame.decode(&bytes, &mut back);
            prop_assert!(read >= frames);
            let off = step(frame.encoding.format) * if dithered { 2.0 } else { 1.0 };
            let written = whole * channels as usize;
            for (sample, back) in samples.iter().zip(&back).take(written) {
                prop_assert!((sample - back).abs() <= off + 6e-8, "{sample} came back as {back}");
            }
        }

        /// Beside planes made by the core and encoded one by one.
        #[test]
        fn planes_are_where_they_should_be(
            which in 0usize..12, channels in 1u32..=8, frames in 0usize..40, surplus in 0usize..100,
        ) {
            let (encoding, channels) = (SampleEncoding::ALL[which].1, ChannelCount::new(channels).unwrap());
            let samples: Vec<f32> = (0..frames * channels.get()).map(|n| n as f32 / 512.0).collect();
            let frame = FrameBytes { encoding, layout: Layout::Planar, channels };
            let mut bytes = vec![0xAB; samples.len() * encoding.format.bytes() + surplus];
            let size = bytes.len() / channels.get() / encoding.format.bytes() * encoding.format.bytes();
            let mut naive = bytes.clone();
            let view = Interleaved::new(&samples, channels).unwrap();
            for channel in 0..channels.get() {
                let plane: Vec<f32> = view.channel(channel).collect();
                encoding.encode(&plane, &mut naive[channel * size..][..size]);
            }
            prop_assert_eq!(frame.encode(&samples, &mut bytes, None), Frames(frames as u64));
            prop_assert_eq!(bytes, naive);
        }

        #[test]
        fn any_bytes_decode(bytes in proptest::collection::vec(any::<u8>(), 0..200), which in 0usize..12, channels in 1u32..=64, planar in any::<bool>()) {
            let layout = if planar { Layout::Planar } else { Layout::Interleaved };
            let frame = FrameBytes { encoding: SampleEncoding::ALL[which].1, layout, channels: ChannelCount::new(channels).unwrap() };
            let mut samples = [0.0; 256];
            prop_assert_eq!(frame.decode(&bytes, &mut samples), frame.frames_in(bytes.len()).min(Frames(256 / u64::from(channels))));
        }
    }
}
