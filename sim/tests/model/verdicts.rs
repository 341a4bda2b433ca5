//! What a machine says of a program, to compare it with.

use core::ops::Range;

use dma_api::DataDirection;
use sim::{Config, Oracle, Violation, steps::Owner};

use crate::bench::{Bench, run};

/// What the machine says of a program.
pub(crate) fn verdict(config: &Config, program: impl Fn(&Bench<'_>)) -> Option<Violation> {
    run(config, program).violation
}

/// Everything that it can say.
pub(crate) fn violation(
    oracle: Oracle,
    bytes: Range<usize>,
    owner: Owner,
    values: Option<(u8, u8)>,
    detail: &str,
    step: usize,
) -> Option<Violation> {
    Some(Violation {
        oracle,
        bytes,
        owner,
        values,
        detail: detail.to_owned(),
        step,
    })
}

/// What it says where no value matters: what is wrong, with which byte, whose, in which words, at which step.
pub(crate) fn says(
    oracle: Oracle,
    byte: usize,
    owner: Owner,
    detail: &str,
    step: usize,
) -> Option<Violation> {
    violation(oracle, byte..byte + 1, owner, None, detail, step)
}

/// The bytes are the program's, all 1 in memory, and 16 to 32 are lent.
pub(crate) fn lends(bench: &Bench<'_>, direction: DataDirection) {
    bench.cpu.own(0, 64);
    bench.store(0, 64, 1);
    bench.cpu.clean(0, 64);
    bench.cpu.before_doorbell();
    bench.cpu.lend(16, 16, direction);
}
