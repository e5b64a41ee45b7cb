//! What the demo shows while it runs: one live line in a terminal, plain lines elsewhere.

use crate::flow::Now;
use crossterm::cursor::{Hide, Show};
use crossterm::style::Print;
use crossterm::terminal::{Clear, ClearType};
use crossterm::{cursor::MoveToColumn, queue};
use pcmflow::pitch::PitchEstimate;
use std::io::{IsTerminal, Stdout, Write};

/// Columns of the cents bar.
const BAR: usize = 21;

/// Where the live line goes.
#[derive(Debug)]
pub(super) struct Screen {
    output: Stdout,
    terminal: bool,
    /// When the last plain line was printed.
    printed_ns: Option<u64>,
}

impl Screen {
    pub(super) fn new() -> Self {
        let output = std::io::stdout();
        let mut screen = Self { terminal: output.is_terminal(), output, printed_ns: None };
        if screen.terminal {
            let _ = queue!(screen.output, Hide);
        }
        screen
    }

    /// Shows what the flow does now. What can't be shown is not missed: the table at the end matters.
    pub(super) fn show(&mut self, flow: &Now, estimate: Option<PitchEstimate>) {
        let line = line(flow, estimate);
        if self.terminal {
            let _ = queue!(self.output, MoveToColumn(0), Clear(ClearType::CurrentLine), Print(line));
            let _ = self.output.flush();
        } else if self.printed_ns.is_none_or(|at| flow.elapsed_ns - at >= 500_000_000) {
            let _ = writeln!(self.output, "{line}");
            self.printed_ns = Some(flow.elapsed_ns);
        }
    }

    /// Leaves the terminal as it was.
    pub(super) fn end(&mut self) {
        if self.terminal {
            let _ = queue!(self.output, MoveToColumn(0), Clear(ClearType::CurrentLine), Show);
            let _ = self.output.flush();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.end();
    }
}

fn line(flow: &Now, estimate: Option<PitchEstimate>) -> String {
    let heard = match estimate.filter(|estimate| estimate.voiced) {
        Some(PitchEstimate { hz: Some(hz), note: Some(note), cents, .. }) => {
            format!("{:<4}{}{cents:+5.0} ct {hz:8.2} Hz", note.to_string(), bar(cents))
        }
        _ => format!("{:<4}{}{:>20}", "–", bar(f32::NAN), ""),
    };
    format!(
        "{:6.2}s  {heard}  ring {:3}% link {}/{}  settled to {:.2}s: {} unaccounted, {} lost",
        flow.elapsed_ns as f64 / 1e9,
        100 * flow.ring.0 / flow.ring_capacity.0.max(1),
        flow.link,
        flow.link_capacity,
        flow.settled.position.secs(flow.format.rate),
        flow.settled.unaccounted,
        flow.lost.total(),
    )
}

/// A scale from −50 to 50 cents, with a mark where the pitch is.
fn bar(cents: f32) -> String {
    let mark = ((cents.clamp(-50.0, 50.0) / 100.0 + 0.5) * (BAR - 1) as f32).round();
    let cells = (0..BAR).map(|cell| match cell {
        _ if cents.is_finite() && cell as f32 == mark => '●',
        _ if cell == BAR / 2 => '│',
        _ => '·',
    });
    std::iter::once('[').chain(cells).chain(std::iter::once(']')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_points_to_the_cents() {
        assert_eq!(bar(0.0), "[··········●··········]");
        assert_eq!(bar(-50.0), "[●·········│··········]");
        assert_eq!(bar(30.0), "[··········│·····●····]");
        assert_eq!(bar(f32::NAN), "[··········│··········]");
    }
}
