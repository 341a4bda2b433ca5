//! The image: board → console and verdict → what runs on it.

mod console;

mod board;

mod verdict;

/// What every board's boot code calls once memory, caches, stack and exception vectors are set up.
///
/// Runs once, on one processor, with interrupts off.
pub(crate) fn run() -> ! {
    console::line(format_args!("image {} `{}`", board::NAME, board::command_line()));
    verdict::Verdict::Pass.exit()
}
