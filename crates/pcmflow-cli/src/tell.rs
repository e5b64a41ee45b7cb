//! Messages to standard error. Whoever reads it may have gone (`2>&1 | head`): `eprintln!` would panic then.

/// A line on standard error, as `eprintln!` has it; what can't be written is nobody's loss.
macro_rules! tell {
    ($($message:tt)*) => {
        drop(std::io::Write::write_fmt(&mut std::io::stderr().lock(), format_args!("{}\n", format_args!($($message)*))))
    };
}
