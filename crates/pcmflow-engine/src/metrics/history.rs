//! What was read at the beginning of a window that moves along: old readings, thinned out.

use std::collections::VecDeque;

/// Readings of the last `span_ns`, a tenth of it apart, and one that is older, which is the window's beginning.
#[derive(Debug)]
pub(super) struct History<T> {
    span_ns: u64,
    /// Readings closer than this to the one before are not kept: a tenth of the span, less half the interval at which they
    /// come, so that one that comes a little early is not left out.
    step_ns: u64,
    begin: (u64, T),
    later: VecDeque<(u64, T)>,
}

impl<T> History<T> {
    pub(super) fn new(span_ns: u64, interval_ns: u64, at_ns: u64, begin: T) -> Self {
        let step_ns = Self::step_ns(span_ns, interval_ns);
        Self { span_ns, step_ns, begin: (at_ns, begin), later: VecDeque::new() }
    }

    pub(super) const fn step_ns(span_ns: u64, interval_ns: u64) -> u64 {
        (span_ns / 10).saturating_sub(interval_ns / 2)
    }

    /// When the window that ends at `now_ns` begins, and what was read then: the youngest reading kept that is as old as the
    /// span, or the first of all.
    pub(super) fn begin(&mut self, now_ns: u64) -> &(u64, T) {
        let old = |at_ns: u64| now_ns.saturating_sub(at_ns) >= self.span_ns;
        while self.later.front().is_some_and(|(at_ns, _)| old(*at_ns)) {
            if let Some(begin) = self.later.pop_front() {
                self.begin = begin;
            }
        }
        &self.begin
    }

    /// Keeps a reading made at `now_ns`, if the one before is old enough.
    pub(super) fn push(&mut self, now_ns: u64, reading: T) {
        let last_ns = self.later.back().map_or(self.begin.0, |(at_ns, _)| *at_ns);
        if now_ns.saturating_sub(last_ns) >= self.step_ns.max(1) {
            self.later.push_back((now_ns, reading));
        }
    }

    /// Readings kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        1 + self.later.len()
    }
}
