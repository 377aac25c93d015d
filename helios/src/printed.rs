//! What commands print on standard output: whole, and without dying when nobody reads on (`| head`).

use std::io::Write;

/// Prints a text and a line's end.
pub fn print_all(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that has gone wants no more.
    let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
}
