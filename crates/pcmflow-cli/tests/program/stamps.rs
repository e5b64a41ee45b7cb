//! Frames that carry their own number, so that what arrived can be told without believing any book.

use super::support::{Output, Place, count, f32le, few};
use serde_json::Value;

/// Frame `n` is stamped `n + 1`, exact in `f32` up to 2^24; 0 is nobody's stamp. The second of two channels
/// carries the stamp with its sign turned.
pub(crate) fn stamped(frames: u64, channels: usize) -> Vec<u8> {
    assert!(frames < 1 << 24 && channels <= 2);
    let samples: Vec<f32> =
        (1..=frames).flat_map(|stamp| [stamp as f32, -(stamp as f32)].into_iter().take(channels)).collect();
    f32le(&samples)
}

/// Frames `start..end` of the source's timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// The runs of consecutive frames in `samples`; zeros stand for nothing.
pub(crate) fn arrived(samples: &[f32], channels: usize) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for frame in samples.chunks(channels) {
        if channels == 2 {
            assert_eq!(frame[0], -frame[1], "the channels of a frame were torn apart");
        }
        if frame[0] == 0.0 {
            continue;
        }
        assert!(frame[0] >= 1.0 && frame[0].fract() == 0.0, "{} is nobody's stamp", frame[0]);
        let number = frame[0] as u64 - 1;
        match spans.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => spans.push(Span { start: number, end: number + 1 }),
        }
    }
    spans
}

/// The stretches of zeros in `samples`, where output position and source position are the same.
pub(crate) fn silent(samples: &[f32], channels: usize) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (number, frame) in (0u64..).zip(samples.chunks(channels)) {
        match spans.last_mut() {
            _ if frame[0] != 0.0 => assert_eq!(frame[0] as u64, number + 1, "a frame is out of place"),
            Some(last) if last.end == number => last.end += 1,
            _ => spans.push(Span { start: number, end: number + 1 }),
        }
    }
    spans
}

/// A gap as JSON tells it.
pub(crate) fn gap(value: &Value) -> Span {
    let start = count(value, "position");
    assert!(value["cause"].is_string() && count(value, "frames") > 0, "{value}");
    Span { start, end: start + count(value, "frames") }
}

/// Neighbours made one: a mark between two losses, as a cut is, may tell one stretch in two lines.
pub(crate) fn joined(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            _ => joined.push(span),
        }
    }
    joined
}

/// Checks that arrivals and gaps tile `0..frames`: no hole, no overlap, each in order.
#[track_caller]
pub(crate) fn assert_tiles(arrived: &[Span], gaps: &[Span], frames: u64) {
    for spans in [arrived, gaps] {
        assert!(spans.is_sorted_by(|a, b| a.end <= b.start), "out of order:\n{}", few(spans));
    }
    let mut all = [arrived, gaps].concat();
    all.sort_by_key(|span| span.start);
    let mut next = 0;
    for span in all {
        assert_eq!(span.start, next, "a hole or an overlap before {span:?}");
        next = span.end;
    }
    assert_eq!(next, frames, "the end of the timeline");
}

/// A summary whose figures were held against each other.
pub(crate) struct Books {
    pub(crate) gaps: Vec<Span>,
    pub(crate) delivered: u64,
    pub(crate) dropped: u64,
}

/// Reads the summary `name`, and checks what must be true of every summary of a run that is over.
#[track_caller]
pub(crate) fn books(place: &Place, name: &str, run: &Output) -> Books {
    let summary = place.json(name);
    let dropped: u64 = summary["dropped"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    let (frames_in, delivered) = (count(&summary, "frames_in"), count(&summary, "delivered"));
    assert_eq!(frames_in, delivered + dropped + count(&summary, "in_flight"), "{summary}");
    assert_eq!(count(&summary, "unaccounted"), 0, "{summary}");
    let gaps = summary["gaps"].as_array().unwrap();
    assert_eq!(gaps.len() as u64, count(&summary, "gaps_total"), "too many gaps for the summary");
    // Each cause, by itself: what was dropped for it lies in gaps that name it.
    for (cause, frames) in summary["dropped"].as_object().unwrap() {
        let told: u64 =
            gaps.iter().filter(|gap| gap["cause"] == **cause).map(|gap| count(gap, "frames")).sum();
        assert_eq!(frames.as_u64().unwrap(), told, "{cause}");
    }
    let gaps: Vec<Span> = gaps.iter().map(gap).collect();
    assert_eq!(gaps.iter().map(|gap| gap.end - gap.start).sum::<u64>(), dropped);
    assert_eq!(dropped > 0, count(&summary, "xruns") > 0, "{summary}");
    // The words say the same as the figures.
    for part in [format!("frames in {frames_in} "), format!("delivered {delivered} "), "unaccounted 0".into()]
    {
        assert!(run.err.contains(&part), "{part:?} is missing:\n{}", run.err);
    }
    Books { gaps, delivered, dropped }
}
