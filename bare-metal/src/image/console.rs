//! Lines of text for the host, one [`line`] call each.

use core::fmt::{self, Write};

use super::board;

/// Writes one line and its end.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    // The board's console cannot fail: its writer returns no error.
    let _ = Console.write_fmt(format_args!("{text}\n"));
}

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        board::console_write(text.as_bytes());
        Ok(())
    }
}
