//! A barrier, or the wait for what was issued, is missing or in the wrong place.

use dma_api::DataDirection;
use sim::{
    Adversary::{Hoarding, LatePosted, Lazy, Tearing},
    Config, Oracle, presets,
    steps::Operation,
    trial::Outcome,
};

use crate::bench::{Bench, Bug, Version, prove};
use Version::{Right, Shipped};

/// U-Boot on RISC-V, `cbo_op()`: no FENCE after the loop, hence none before the doorbell.
fn doorbell_before_the_clean_is_complete(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    cpu.issue(Operation::Clean, 0, line);
    if version == Right {
        cpu.complete();
    }
    bench.sends(0, line)?;
    cpu.take_back(0, line);
    Ok(())
}

/// mbarrier on RISC-V: the barrier before the doorbell is `fence rw,rw`, which orders no store to a register.
fn no_barrier_before_the_doorbell(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    cpu.clean(0, line);
    if version == Right {
        cpu.before_doorbell();
    }
    cpu.lend(0, line, DataDirection::ToDevice);
    bench.engine.read(cpu.dma(0), line)?;
    cpu.after_completion();
    cpu.take_back(0, line);
    Ok(())
}

/// The ring's entry is published after the barrier that is to come before the doorbell.
fn a_store_behind_the_barrier(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, 2 * line);
    cpu.store(0, &vec![1; line]);
    if version == Right {
        cpu.store(line, &[1]);
    }
    cpu.done(0, 2 * line);
    cpu.clean(0, 2 * line);
    cpu.before_doorbell();
    if version == Shipped {
        cpu.store(line, &[1]);
        cpu.clean(line, 1);
    }
    cpu.lend(0, 2 * line, DataDirection::ToDevice);
    bench.engine.read(cpu.dma(0), 2 * line)?;
    cpu.after_completion();
    cpu.take_back(0, 2 * line);
    Ok(())
}

/// Linux on RISC-V with Zicbom: the load of the status register is ordered with later loads (`fence i,ir`), and `cbo.inval`
/// is no load. Lines are discarded, and filled again, before the device's writes have arrived.
fn no_barrier_after_the_completion(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.done(0, line);
    cpu.clean(0, line);
    cpu.before_doorbell();
    cpu.lend(0, line, DataDirection::FromDevice);
    bench.engine.write(cpu.dma(0), &vec![2; line])?;
    if version == Right {
        cpu.after_completion();
    }
    cpu.invalidate(0, line);
    cpu.take_back(0, line);
    Ok(())
}

/// The same barrier in the wrong place: lines are discarded, and then the driver makes sure that the data have arrived.
fn the_barrier_after_the_invalidate(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.done(0, line);
    cpu.clean(0, line);
    cpu.before_doorbell();
    cpu.lend(0, line, DataDirection::FromDevice);
    bench.engine.write(cpu.dma(0), &vec![2; line])?;
    match version {
        Right => {
            cpu.after_completion();
            cpu.invalidate(0, line);
        }
        Shipped => {
            cpu.invalidate(0, line);
            cpu.after_completion();
        }
    }
    cpu.take_back(0, line);
    Ok(())
}

/// Found in review of Linux's batched maintenance for arm64 and fixed in its third version: an invalidate that is only
/// issued, and the copy out of the bounce buffer.
fn copied_out_before_the_invalidate_is_complete(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, 2 * line);
    cpu.store(0, &vec![0; 2 * line]);
    cpu.done(0, line);
    cpu.clean(0, line);
    bench.receives(0, line, line)?;
    cpu.issue(Operation::Invalidate, 0, line);
    if version == Right {
        cpu.complete();
    }
    cpu.take_back(0, line);
    cpu.copy(0, line, line);
    cpu.complete();
    Ok(())
}

pub(crate) fn bugs() -> Vec<Bug> {
    vec![
        Bug::new(
            "the doorbell before the clean is complete",
            doorbell_before_the_clean_is_complete,
        )
        .on(presets::cortex_m7())
        .shown_by(Oracle::MissingBarrier, [Lazy, Hoarding]),
        Bug::new(
            "no barrier before the doorbell",
            no_barrier_before_the_doorbell,
        )
        .shown_by(Oracle::MissingBarrier, [Lazy]),
        Bug::new("a store behind the barrier", a_store_behind_the_barrier)
            .shown_by(Oracle::MissingBarrier, [Lazy]),
        Bug::new(
            "no barrier after the completion",
            no_barrier_after_the_completion,
        )
        .shown_by(Oracle::MissingBarrier, [Lazy, LatePosted, Tearing]),
        Bug::new(
            "the barrier after the invalidate",
            the_barrier_after_the_invalidate,
        )
        .shown_by(Oracle::MissingBarrier, [Lazy, LatePosted]),
        Bug::new(
            "copied out before the invalidate is complete",
            copied_out_before_the_invalidate_is_complete,
        )
        .on(Config {
            ordered_by_address: false,
            ..Config::default()
        })
        .shown_by(Oracle::MissingBarrier, [Lazy]),
    ]
}

#[test]
fn missing_and_misplaced_barriers_are_caught() {
    prove(&bugs());
}
