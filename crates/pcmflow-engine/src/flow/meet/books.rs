//! What became of a stream that was brought to another one's clock, in numbers that must agree.

use pcmflow_core::format::{Frames, StreamPosition};
use pcmflow_core::ledger::{Conversion, Losses, Timeline};

/// The books of a stream on one timeline that was heard on another, where clocks meet.
///
/// Its own timeline ends where resampling begins; what that made is counted in frames of the master, as is silence.
///
/// ```
/// use pcmflow_core::format::{Frames, SampleRate, StreamPosition};
/// use pcmflow_core::ledger::{Conversion, Losses, Timeline};
/// use pcmflow_engine::flow::Followed;
/// let mut taken = Timeline::default();
/// taken.deliver(StreamPosition(0), Frames(48_000));
/// let (from, to) = (SampleRate::HZ_48000, SampleRate::HZ_48000);
/// let conversion = Conversion { from, to, taken: Frames(47_995), given: Frames(47_800), held: Frames(195) };
/// let books = Followed {
///     input: 1, taken, taken_to: None, conversion, heard: Frames(46_000), queued: Frames(1_800),
///     dropped: Losses::default(), silence: Losses::default(), asked: Frames(46_000),
/// };
/// assert_eq!(books.unaccounted(), Frames(0));
/// assert_eq!(Followed { queued: Frames(1_700), ..books }.unaccounted(), Frames(100));
/// assert_eq!(Followed { taken_to: Some(StreamPosition(48_128)), ..books }.unaccounted(), Frames(128));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Followed {
    /// The input that it came to.
    pub input: usize,
    /// The stream's own timeline: frames that were resampled, and those that were lost before, by cause.
    pub taken: Timeline,
    /// Where its pipeline ended, by that pipeline; none while it is there.
    pub taken_to: Option<StreamPosition>,
    /// What resampling took, in frames of the clock that is right, and gave.
    pub conversion: Conversion,
    /// Frames that are in what comes out.
    pub heard: Frames,
    /// Frames that wait to be heard.
    pub queued: Frames,
    /// Frames that were resampled and not heard: they came too late ([`Deadline`](pcmflow_core::ledger::LossCause::Deadline)), when
    /// the master had a gap (its cause), when the master was over
    /// ([`Removed`](pcmflow_core::ledger::LossCause::Removed)), or there was no buffer
    /// ([`Overflow`](pcmflow_core::ledger::LossCause::Overflow)).
    pub dropped: Losses,
    /// Frames of the master to which there was nothing to add: the stream was not there, not yet or no more
    /// ([`Removed`](pcmflow_core::ledger::LossCause::Removed)), it came too late
    /// ([`Deadline`](pcmflow_core::ledger::LossCause::Deadline)), or it had a gap (its cause).
    pub silence: Losses,
    /// Frames of the master to which this was to be added.
    pub asked: Frames,
}

impl Followed {
    /// Frames by which any two of these disagree, the most of any place. Anything but 0 is a bug.
    ///
    /// Not RT-safe: meant for the control side.
    pub fn unaccounted(&self) -> Frames {
        let differ = |a: Frames, b: Frames| Frames(a.0.abs_diff(b.0));
        let made = differ(self.conversion.given, self.heard + self.queued + self.dropped.total());
        let filled = differ(self.asked, self.heard + self.silence.total());
        let taken = self.taken_to.map_or(Frames::ZERO, |end| Frames(end.0.abs_diff(self.taken.position().0)));
        self.taken.unaccounted().max(self.conversion.imbalance()).max(made).max(filled).max(taken)
    }
}
