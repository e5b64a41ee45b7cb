//! Recordings with pink noise added.
//!
//! The noise lies a given number of dB under the loudest 30 ms of each recording (both as root mean squares, of the
//! mean of the channels), alike in every channel. It is white noise through Paul Kellet's filter (musicdsp.org, "pink noise
//! filter", 1999), within 0.05 dB of 3 dB per octave above 10 Hz at 44.1 kHz; its generator is SplitMix64.

use super::truth::Recording;
use super::{at, program};
use pcmflow_io::{Sink, Source, WavFormat, WavSink, open_file};
use std::fs;
use std::path::{Path, PathBuf};

const LOUD_S: f64 = 0.03;
/// Samples read at once.
const CHUNK: usize = 1 << 14;

/// Writes each recording with its noise to a WAV file of its own; returns their paths, in order.
pub(super) fn write_all(
    recordings: &[Recording],
    dir: &Path,
    db: f64,
    seed: u64,
) -> Result<Vec<PathBuf>, String> {
    let out = program::target_dir().join("eval").join(format!("pink{db}-seed{seed}"));
    recordings
        .iter()
        .enumerate()
        .map(|(index, recording)| {
            let path = out.join(format!("{}.wav", recording.file));
            fs::create_dir_all(path.parent().unwrap_or(&out)).map_err(|error| at(&path, error))?;
            // Each file has noise of its own, whatever else is in the list.
            write(
                &dir.join(&recording.file),
                &path,
                db,
                seed.wrapping_mul(1 << 32).wrapping_add(index as u64),
            )?;
            Ok(path)
        })
        .collect()
}

/// The rate of a file and how long it is in seconds, by decoding it.
pub(super) fn measure(path: &Path) -> Result<(u32, f64), String> {
    let (source, samples) = decode(path)?;
    let rate_hz = source.format().rate.hz();
    Ok((rate_hz, samples.len() as f64 / source.format().channels.get() as f64 / f64::from(rate_hz)))
}

fn decode(path: &Path) -> Result<(impl Source, Vec<f32>), String> {
    let mut source = open_file(path).map_err(|error| error.to_string())?;
    let mut samples = Vec::new();
    let mut chunk = vec![0.0; CHUNK];
    let channels = source.format().channels.get();
    loop {
        let frames = source.read(&mut chunk).map_err(|error| at(path, error))?.0 as usize;
        if frames == 0 {
            return Ok((source, samples));
        }
        samples.extend_from_slice(&chunk[..frames * channels]);
    }
}

fn write(from: &Path, to: &Path, db: f64, seed: u64) -> Result<(), String> {
    let (source, mut samples) = decode(from)?;
    let format = source.format();
    add(&mut samples, format.channels.get(), (LOUD_S * f64::from(format.rate.hz())) as usize, db, seed);
    let mut sink = Box::new(WavSink::create(to, WavFormat::F32, format).map_err(|error| error.to_string())?);
    sink.write(&samples).map_err(|error| error.to_string())?;
    sink.finish().map_err(|error| error.to_string())?;
    Ok(())
}

/// Adds noise `db` under the loudest `loud` frames of `samples`.
fn add(samples: &mut [f32], channels: usize, loud: usize, db: f64, seed: u64) {
    let mono: Vec<f64> = samples
        .chunks_exact(channels)
        .map(|frame| {
            frame.iter().map(|&sample| f64::from(sample)).filter(|sample| sample.is_finite()).sum::<f64>()
        })
        .map(|sum| sum / channels as f64)
        .collect();
    let mut pink = Pink::new(seed);
    let noise: Vec<f64> = mono.iter().map(|_| pink.next()).collect();
    let gain =
        loudest(&mono, loud) * 10f64.powf(-db / 20.0) / loudest(&noise, noise.len()).max(f64::MIN_POSITIVE);
    for (frame, noise) in samples.chunks_exact_mut(channels).zip(noise) {
        for sample in frame {
            *sample += (gain * noise) as f32;
        }
    }
}

/// The root mean square of the loudest `len` samples in a row, or of all where there are fewer.
fn loudest(x: &[f64], len: usize) -> f64 {
    let len = len.min(x.len()).max(1);
    let mut energy: f64 = x.iter().take(len).map(|x| x * x).sum();
    let mut most = energy;
    for (new, old) in x.iter().skip(len).zip(x) {
        energy += new * new - old * old;
        most = most.max(energy);
    }
    (most / len as f64).sqrt()
}

/// Pink noise.
#[derive(Debug)]
struct Pink {
    state: u64,
    b: [f64; 7],
}

impl Pink {
    fn new(seed: u64) -> Self {
        let mut pink = Self { state: seed, b: [0.0; 7] };
        // The slowest pole takes about a thousand samples to settle.
        for _ in 0..8192 {
            pink.next();
        }
        pink
    }

    /// A uniform number from −1 to 1.
    fn white(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64 * 2.0 - 1.0
    }

    fn next(&mut self) -> f64 {
        const POLES: [(f64, f64); 6] = [
            (0.99886, 0.0555179),
            (0.99332, 0.0750759),
            (0.96900, 0.1538520),
            (0.86650, 0.3104856),
            (0.55000, 0.5329522),
            (-0.7616, -0.0168980),
        ];
        let white = self.white();
        for (b, (pole, gain)) in self.b.iter_mut().zip(POLES) {
            *b = pole * *b + gain * white;
        }
        let pink = self.b.iter().sum::<f64>() + 0.5362 * white;
        self.b[6] = 0.115926 * white;
        pink
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_lies_as_far_under_the_loudest_stretch_as_asked() {
        // 100 loud frames of stereo among silence.
        let mut samples = vec![0.0f32; 20_000];
        samples[4_000..4_200].fill(0.5);
        let clean = samples.clone();
        add(&mut samples, 2, 100, 20.0, 1);
        let noise: Vec<f64> = samples.iter().zip(&clean).map(|(a, b)| f64::from(a - b)).collect();
        assert!((loudest(&noise, noise.len()) - 0.05).abs() < 1e-4);
        assert!(noise.chunks(2).all(|frame| (frame[0] - frame[1]).abs() < 1e-6), "alike in both channels");
        let mut other = clean.clone();
        add(&mut other, 2, 100, 20.0, 2);
        assert_ne!(other, samples);
    }

    #[test]
    fn the_noise_is_pink() {
        // Averages over 2^k samples: white noise loses half its power for each doubling, pink noise far less.
        let mut pink = Pink::new(3);
        let x: Vec<f64> = (0..1 << 18).map(|_| pink.next()).collect();
        let power_of_means = |len: usize| {
            let means = x.chunks(len).map(|chunk| chunk.iter().sum::<f64>() / len as f64);
            means.map(|mean| mean * mean).sum::<f64>() / (x.len() / len) as f64
        };
        // Each band between two such averages holds the same power.
        let octaves: Vec<f64> =
            (2..8).map(|k| power_of_means(1 << k) - power_of_means(1 << (k + 1))).collect();
        let (low, high) =
            octaves.iter().fold((f64::MAX, 0f64), |(low, high), &power| (low.min(power), high.max(power)));
        assert!(high / low < 1.3, "{octaves:?}");
    }

    #[test]
    fn silence_stays_silent() {
        let mut samples = vec![0.0f32; 100];
        add(&mut samples, 1, 30, 20.0, 1);
        assert_eq!(samples, [0.0; 100]);
    }
}
