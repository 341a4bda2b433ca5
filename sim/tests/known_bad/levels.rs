//! Several levels, or several cores: maintained in the wrong order, or not as far as memory.

use dma_api::DataDirection;
use sim::{
    Adversary::{Hoarding, Migrating, Rogue, TwoLevelRefill},
    Config, Cpu, Maintained, Oracle, Outer, Scope, Start, presets,
    steps::{Operation, Reach},
    trial::Outcome,
};

use crate::bench::{Bench, Bug, Version, prove};
use Version::{Right, Shipped};

const INNER: Reach = Reach::Level(0);
const OUTER: Reach = Reach::Level(1);

/// An operation on one level and then on the other, each waited for.
fn one_and_then(cpu: &Cpu<'_>, levels: [Reach; 2], operation: Operation, len: usize) {
    for level in levels {
        cpu.issue_in(level, operation, 0, len);
        cpu.complete_in(level);
    }
}

/// Linux on the Andes AX45MP: discards the inner line and then the outer one, between which the inner cache may read the
/// old line again. Zephyr's driver for the same caches has it the other way round.
fn inner_before_outer_on_the_way_back(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.done(0, line);
    one_and_then(&cpu, [INNER, OUTER], Operation::Clean, line);
    bench.receives(0, line, line)?;
    let order = match version {
        Shipped => [INNER, OUTER],
        Right => [OUTER, INNER],
    };
    one_and_then(&cpu, order, Operation::Invalidate, line);
    cpu.take_back(0, line);
    Ok(())
}

/// U-Boot on MIPS has this order before a transfer as after it: the secondary cache, and then the primary one, which writes
/// its dirty lines into the former.
fn outer_before_inner_before_the_device_writes(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    let order = match version {
        Shipped => [OUTER, INNER],
        Right => [INNER, OUTER],
    };
    one_and_then(&cpu, order, Operation::CleanAndInvalidate, line);
    bench.receives(0, line, line)?;
    one_and_then(&cpu, [OUTER, INNER], Operation::Invalidate, line);
    cpu.take_back(0, line);
    Ok(())
}

/// The same order for what a device reads.
fn outer_before_inner_before_the_device_reads(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    let order = match version {
        Shipped => [OUTER, INNER],
        Right => [INNER, OUTER],
    };
    one_and_then(&cpu, order, Operation::Clean, line);
    bench.sends(0, line)?;
    cpu.take_back(0, line);
    Ok(())
}

/// Both levels in the right order, without the wait for the inner one in between.
fn outer_before_the_inner_is_complete(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    cpu.issue_in(INNER, Operation::Clean, 0, line);
    if version == Right {
        cpu.complete_in(INNER);
    }
    cpu.issue_in(OUTER, Operation::Clean, 0, line);
    cpu.complete_in(OUTER);
    cpu.complete_in(INNER);
    bench.sends(0, line)?;
    cpu.take_back(0, line);
    Ok(())
}

/// Linux on T-Head: the clean was encoded as `th.dcache.cval1` (0x0245000b), which writes back to the second level and no
/// farther.
fn clean_of_the_inner_level_only(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    let reach = match version {
        Shipped => INNER,
        Right => Reach::Memory,
    };
    cpu.issue_in(reach, Operation::Clean, 0, line);
    cpu.complete();
    bench.sends(0, line)?;
    cpu.take_back(0, line);
    Ok(())
}

/// An Armv7-A system with a PL310 whose software knows the processor's own caches only.
fn outer_cache_not_told(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.done(0, line);
    cpu.issue_in(INNER, Operation::Clean, 0, line);
    cpu.complete_in(INNER);
    if version == Right {
        cpu.issue_in(OUTER, Operation::Clean, 0, line);
        cpu.complete_in(OUTER);
    }
    bench.receives(0, line, line)?;
    if version == Right {
        cpu.issue_in(OUTER, Operation::Invalidate, 0, line);
        cpu.complete_in(OUTER);
    }
    cpu.issue_in(INNER, Operation::Invalidate, 0, line);
    cpu.complete_in(INNER);
    cpu.take_back(0, line);
    Ok(())
}

/// Maintenance that reaches the core that executes it and no other, as that of a MIPS without a coherence manager, and a
/// thread that is moved in between. Only another machine makes it right.
fn maintenance_of_one_core(bench: &Bench<'_>, _: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    cpu.clean(0, line);
    cpu.before_doorbell();
    cpu.lend(0, line, DataDirection::Bidirectional);
    bench.engine.read(cpu.dma(0), line)?;
    bench.engine.write(cpu.dma(0), &vec![2; line])?;
    cpu.after_completion();
    cpu.invalidate(0, line);
    cpu.take_back(0, line);
    Ok(())
}

/// A Cortex-A53 with erratum 824069: a cleaned line may stay marked as dirty, and is written back over what the device has
/// written. The right twin promotes the clean to clean and invalidate, as the erratum's notice says.
fn clean_that_leaves_lines_dirty(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    let operation = match version {
        Shipped => Operation::Clean,
        Right => Operation::CleanAndInvalidate,
    };
    cpu.issue(operation, 0, line);
    cpu.complete();
    bench.receives(0, line, line)?;
    cpu.invalidate(0, line);
    cpu.take_back(0, line);
    Ok(())
}

/// Two levels of the same lines, maintained one by one.
fn apart() -> Config {
    Config {
        name: "two levels maintained apart",
        outer: Some(Outer {
            line: 64,
            granule: 64,
            maintained: Maintained::ByItself,
        }),
        ..Config::default()
    }
}

pub(crate) fn bugs() -> Vec<Bug> {
    let cores = |scope| Config {
        cores: 2,
        scope,
        ..Config::default()
    };
    vec![
        Bug::new(
            "inner before outer on the way back",
            inner_before_outer_on_the_way_back,
        )
        .on(apart())
        .lines(1)
        .shown_by(Oracle::StaleAtHandBack, [TwoLevelRefill]),
        Bug::new(
            "outer before inner before the device writes",
            outer_before_inner_before_the_device_writes,
        )
        .on(apart())
        .lines(1)
        .shown_by(Oracle::DirtyOverDevice, [Hoarding]),
        Bug::new(
            "outer before inner before the device reads",
            outer_before_inner_before_the_device_reads,
        )
        .on(apart())
        .lines(1)
        .shown_by(Oracle::DeviceSeesStale, [Hoarding]),
        Bug::new(
            "the outer level before the inner one is complete",
            outer_before_the_inner_is_complete,
        )
        .on(Config {
            ordered_by_address: false,
            ..apart()
        })
        .lines(1)
        .shown_by(Oracle::DeviceSeesStale, [Hoarding]),
        Bug::new(
            "a clean of the inner level only",
            clean_of_the_inner_level_only,
        )
        .on(Config {
            cores: 1,
            ..presets::riscv_zicbom()
        })
        .lines(1)
        .shown_by(Oracle::DeviceSeesStale, [Hoarding]),
        Bug::new("the outer cache not told", outer_cache_not_told)
            .on(Config {
                cores: 1,
                start: Start::Empty,
                ..presets::armv7_pl310()
            })
            .lines(1)
            .shown_by(Oracle::StaleAtHandBack, [Hoarding])
            .or(Oracle::DirtyOverDevice),
        Bug::new("maintenance of one core", maintenance_of_one_core)
            .on(cores(Scope::ThisCore))
            .right_on(cores(Scope::AllCores))
            .shown_by(Oracle::StaleAtHandBack, [Migrating])
            .or(Oracle::DeviceSeesStale)
            .or(Oracle::DirtyOverDevice),
        Bug::new(
            "a clean that leaves lines dirty",
            clean_that_leaves_lines_dirty,
        )
        .on(Config {
            promotes_cleans: false,
            ..presets::aarch64_a53()
        })
        .lines(1)
        .shown_by(Oracle::DirtyOverDevice, [Rogue]),
    ]
}

#[test]
fn levels_and_cores_that_are_forgotten_or_in_the_wrong_order_are_caught() {
    prove(&bugs());
}
