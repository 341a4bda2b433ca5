//! The image: console → board → the library on it → what the command line asks for.
//!
//! | word | what it asks for |
//! |---|---|
//! | `conformance`, the first | the conformance suite |
//! | `demo`, the first | the bytes of one disk, and other bytes on another one |
//! | `pieces`, the first | block requests in pieces of every length |
//! | `lengths=N` | up to this one |
//! | `edu`, the first | loans of every length to an edu device, which does not reach all memory |
//! | `mask-bits=N` | as many address lines as it has |
//! | `sample=N` | of so many lengths only |
//! | `disk-bytes=N`, `scratch-bytes=N` | how many of them |
//! | `seed=N` | caches that devices do not see, and that misbehave as this number says ([`calls`]) |
//! | `without=STEP` | a step of every transfer is left out ([`Step`](words::Step)) |

mod console;

mod section;

mod words;

mod counted;

mod calls;

mod board;

mod verdict;

mod in_place;

mod hal;

mod ordered;

mod disk;

mod raw_disk;

mod cutter;

mod pattern;

mod bus_master;

mod blind;

mod checks;

mod demo;

mod pieces;

mod edu;

use core::fmt;

use calls::{NoMonitor, Start};
use verdict::Verdict;
use words::BadWord;

/// What every board's boot code calls once memory, caches, stack and exception vectors are set up.
///
/// Runs once, on one processor, with interrupts off.
pub(crate) fn run() -> ! {
    let words = board::command_line();
    console::line(format_args!("IMAGE {} {words}", board::NAME));
    let verdict = match prepare(words) {
        Ok(()) => act(words),
        Err(error) => {
            console::line(format_args!("ERROR {error}"));
            Verdict::Fail
        }
    };

    if let Some(counts) = calls::counts() {
        console::line(format_args!("MONITOR {counts}"));
    }
    verdict.exit()
}

/// Checks the words, and with `seed=` makes the machine one whose devices do not see what its caches hold.
fn prepare(words: &str) -> Result<(), Unprepared> {
    words::without(words)?;
    let Some(seed) = words::number(words, "seed=")? else {
        return Ok(());
    };
    let start = Start {
        seed,
        patience_millis: board::PATIENCE_MILLIS,
    };
    calls::start(start)?;
    board::shadow_window();
    Ok(())
}

fn act(words: &str) -> Verdict {
    match words::task(words) {
        Some("conformance") => checks::run(),
        Some("demo") => demo::run(words),
        Some("pieces") => pieces::run(words),
        Some("edu") => edu::run(words),
        _ => {
            console::line(format_args!(
                "ERROR `conformance`, `demo`, `pieces` or `edu` must be the first word"
            ));
            Verdict::Fail
        }
    }
}

/// Why nothing was begun.
enum Unprepared {
    Word(BadWord),
    Monitor(NoMonitor),
}

impl fmt::Display for Unprepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => word.fmt(f),
            Self::Monitor(none) => none.fmt(f),
        }
    }
}

impl From<BadWord> for Unprepared {
    fn from(word: BadWord) -> Self {
        Self::Word(word)
    }
}

impl From<NoMonitor> for Unprepared {
    fn from(none: NoMonitor) -> Self {
        Self::Monitor(none)
    }
}
