//! The image: console → board → the library on it → what the command line asks for.

mod console;

mod section;

mod counted;

mod board;

mod verdict;

mod hal;

mod ordered;

mod disk;

mod pattern;

mod checks;

mod demo;

use verdict::Verdict;

/// What every board's boot code calls once memory, caches, stack and exception vectors are set up.
///
/// Runs once, on one processor, with interrupts off.
pub(crate) fn run() -> ! {
    let words = board::command_line();
    console::line(format_args!("IMAGE {} {words}", board::NAME));
    let verdict = match words.split_ascii_whitespace().next() {
        Some("conformance") => checks::run(),
        Some("demo") => demo::run(words),
        _ => {
            console::line(format_args!(
                "ERROR `conformance` or `demo` must be the first word"
            ));
            Verdict::Fail
        }
    };
    verdict.exit()
}
