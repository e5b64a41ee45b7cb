//! Compares what each sink wrote down with what the test wrote.

use super::{FIRST, Log, Place, SWINGS, Sink, Stretch, World};
use pcmflow_core::ledger::LossCause;
use std::collections::BTreeMap;

impl World {
    /// Compares every log with what was written; returns what links dropped on the way to each sink.
    pub(super) fn check(&self) -> BTreeMap<&str, u64> {
        let end = |log: &Log| log.stretches.last().map_or(0, |last| last.to);
        let end = self.sinks.values().map(|sink| end(&sink.log.lock().unwrap())).max().unwrap_or(0);
        // Where the second stream begins, as the sink says that saw all of it.
        let [first, second] = self.written;
        let offset = end - second;
        assert!(offset > first, "{offset} behind {first}");
        let mut dropped = BTreeMap::new();
        for (name, sink) in &self.sinks {
            let log = sink.log.lock().unwrap();
            let around = |place: Place| {
                let base = [0, offset][place.stream];
                base + place.least..=base + place.most
            };
            let starts = log.stretches.first().map_or(0, |stretch| stretch.from);
            let ends = log.stretches.last().map_or(0, |stretch| stretch.to);
            assert!(around(sink.start).contains(&starts), "{name} starts at {starts}: {:?}", sink.start);
            let last = sink.end.unwrap_or(Place { stream: 1, least: second, most: second });
            assert!(around(last).contains(&ends), "{name} ends at {ends}: {last:?} {offset}");
            dropped.insert(name.as_str(), self.tiles(name, sink, &log, starts, offset));
            if sink.times == 0.0 {
                self.follows_the_ramp(name, &log, offset);
            }
        }
        for name in ["thin", "sum", "oldest", "newest"] {
            let settled = &self.settled[name];
            let (one, two) = (settled.range(1..first).count(), settled.range(offset + 1..end).count());
            assert!(
                one > 0 && two > 0,
                "{name}: settled {one} times before the change, {two} times behind it"
            );
        }
        dropped
    }

    fn tiles(&self, name: &str, sink: &Sink, log: &Log, starts: u64, offset: u64) -> u64 {
        assert_eq!(log.wrong.first(), None, "{name}");
        let mut at = starts;
        let mut removed = false;
        let mut missing: Vec<(u64, u64)> = Vec::new();
        for stretch in &log.stretches {
            let Stretch { from, to, what } = *stretch;
            assert_eq!(from, at, "{name}: {stretch:?} behind {at}");
            at = to;
            assert!(what.is_err() || !removed, "{name}: {stretch:?} behind what was removed");
            match what {
                Ok(stamp) if sink.times > 0.0 => {
                    let (stream, number) = if from < offset { (0, from) } else { (1, from - offset) };
                    assert_eq!(stamp, FIRST[stream] + number, "{name}: {stretch:?}");
                }
                Ok(_) => {}
                // What waited for a node that was removed is lost with it, at its end.
                Err(LossCause::Removed) if sink.lossless => {
                    assert!(name == "behind" && sink.end.is_some(), "{name}: {stretch:?}");
                    removed = true;
                }
                // Between the streams, and nowhere else.
                Err(LossCause::Device) => assert_eq!((from, to), (self.written[0], offset), "{name}"),
                Err(cause) => {
                    let links = matches!(cause, LossCause::Overflow | LossCause::Removed);
                    assert!(links, "{name}: nobody lost {from} to {to} by {cause}");
                    match missing.last_mut() {
                        Some((_, last)) if *last == from && !sink.lossless => *last = to,
                        _ => missing.push((from, to)),
                    }
                }
            }
        }
        let refused = self.refused[0].iter().copied();
        let refused = refused.chain(self.refused[1].iter().map(|(from, to)| (from + offset, to + offset)));
        let refused = refused.map(|(from, to)| (from.max(starts), to.min(at))).filter(|(from, to)| from < to);
        let refused: Vec<_> = refused.collect();
        let sum = |stretches: &[(u64, u64)]| stretches.iter().map(|(from, to)| to - from).sum::<u64>();
        if sink.lossless {
            assert_eq!(missing, refused, "{name}");
        } else {
            // Frames that the ring refused can't have come; what is missing beside those was dropped by links.
            assert!(
                refused.iter().all(|&(from, to)| missing.iter().any(|gap| gap.0 <= from && to <= gap.1)),
                "{name}"
            );
        }
        sum(&missing) - sum(&refused)
    }

    /// A stamp is the number of its frame: resampled, too, away from where a filter begins or ends.
    fn follows_the_ramp(&self, name: &str, log: &Log, offset: u64) {
        let mut compared = 0;
        for stretch in log.stretches.iter().filter(|stretch| stretch.what.is_ok()) {
            let (from, to) = ((stretch.from + SWINGS) as f64, stretch.to as f64 - SWINGS as f64);
            for &(position, sample) in log.curve.iter().filter(|(position, _)| (from..to).contains(position))
            {
                let (stream, number) =
                    if stretch.from < offset { (0, position) } else { (1, position - offset as f64) };
                let expected = FIRST[stream] as f64 + number;
                // Where the rates are no multiples, ends of chunks are rounded to frames of the source, by the filter and by the
                // blocks, and the filter's delay to frames of what comes out.
                let off = if stream == 0 { 0.5 } else { 5.0 };
                assert!(
                    (f64::from(sample) - expected).abs() < off,
                    "{name}: {sample} at {position}: {expected}"
                );
                compared += 1;
            }
        }
        assert!(compared > 500, "{name}: {compared} samples compared");
    }
}
