//! Messages to standard error. Whoever reads it may have gone (`2>&1 | head`): `eprintln!` would panic then. And they may hold names
//! of files, which may hold anything.

use std::io::Write as _;

/// A line on standard error, as `eprintln!` has it; what can't be written is nobody's loss.
macro_rules! tell {
    ($($message:tt)*) => {
        $crate::tell::line(format_args!($($message)*))
    };
}

pub(crate) fn line(message: std::fmt::Arguments<'_>) {
    let text = printable(&message.to_string()) + "\n";
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// Lines of text without what would disturb a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.split('\n').map(pcmflow::engine::config::printable).collect::<Vec<_>>().join("\n")
}
