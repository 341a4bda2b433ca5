//! The wrong operation for the direction, or none, at the wrong moment.

use dma_api::{DataDirection, Snooping};
use sim::{
    Adversary::{Dirtying, Eager, EvictingAfterWrites, Hoarding, LatePosted, Lazy, Tearing},
    Config, Maintained, Oracle, Outer, Start,
    layout::Mapping,
    trial::Outcome,
};

use crate::bench::{Bench, Bug, Version, prove};
use Version::{Right, Shipped};

/// NuttX, STM32H7 SDMMC, until its PR #19506 (2026): invalidates before the transfer and not after it. What the users saw
/// were windows of 32 bytes with the previous sector.
fn invalidate_only_before(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.done(0, line);
    cpu.invalidate(0, line);
    bench.receives(0, line, line)?;
    if version == Right {
        cpu.invalidate(0, line);
    }
    cpu.take_back(0, line);
    Ok(())
}

/// Genode's `dde_linux`: `dma_unmap_*` invalidates if the direction is from the device, hence not if it is both.
fn bidirectional_never_invalidated(bench: &Bench<'_>, version: Version) -> Outcome {
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
    if version == Right {
        cpu.invalidate(0, line);
    }
    cpu.take_back(0, line);
    Ok(())
}

/// ostd 0.18.1: a stream from the device has no maintenance before the transfer, whoever stored to the memory last.
fn nothing_before_the_device_writes(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![0; line]);
    cpu.done(0, line);
    if version == Right {
        cpu.clean(0, line);
    }
    bench.receives(0, line, line)?;
    cpu.invalidate(0, line);
    cpu.take_back(0, line);
    Ok(())
}

/// The same where the driver has stored nothing and believes that nothing is dirty: a store that changes no value makes a
/// line as dirty as any other.
fn nothing_cleaned_because_nothing_was_stored(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.done(0, line);
    if version == Right {
        cpu.clean(0, line);
    }
    bench.receives(0, line, line)?;
    cpu.invalidate(0, line);
    cpu.take_back(0, line);
    Ok(())
}

/// U-Boot on T-Head: invalidating was `dcache.cipa`, which wrote dirty lines back over received packets. It is an
/// invalidate only where no line is dirty, as the right twin sees to.
fn clean_and_invalidate_where_a_line_is_dirty(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    if version == Right {
        cpu.clean(0, line);
    }
    bench.receives(0, line, line)?;
    bench.clean_and_invalidate(0, line);
    cpu.take_back(0, line);
    Ok(())
}

/// ostd 0.18.1, `sync_impl` of what bounces: copies, and returns before the cache is maintained.
fn nothing_before_the_device_reads(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, 2 * line);
    cpu.store(0, &vec![1; line]);
    cpu.copy(0, line, line);
    cpu.done(line, line);
    if version == Right {
        cpu.clean(line, line);
    }
    bench.sends(line, line)?;
    cpu.take_back(line, line);
    Ok(())
}

/// Linux on arm64 until 5.19, and what others have of it: invalidates before the device writes. A short transfer then
/// shows what memory held before the buffer was set to zero.
fn invalidate_before_a_short_transfer(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![0; line]);
    cpu.done(0, line);
    match version {
        Right => cpu.clean(0, line),
        Shipped => cpu.invalidate(0, line),
    }
    bench.receives(0, line, line / 2)?;
    cpu.invalidate(0, line);
    cpu.take_back(0, line);
    Ok(())
}

/// A descriptor is cleaned and its owner bit is stored after that.
fn store_after_the_clean(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(1, &vec![1; line - 1]);
    if version == Right {
        cpu.store(0, &[0x80]);
    }
    cpu.done(0, line);
    cpu.clean(0, line);
    if version == Shipped {
        cpu.store(0, &[0x80]);
    }
    bench.sends(0, line)?;
    cpu.take_back(0, line);
    Ok(())
}

/// The device tree says `dma-coherent` of a device that does not snoop: its driver has no reason to maintain anything.
fn believed_to_snoop(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    let engine = bench.engine_that(match version {
        Right => Snooping::Snoops,
        Shipped => Snooping::DoesNotSnoop,
    });
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    cpu.before_doorbell();
    cpu.lend(0, line, DataDirection::ToDevice);
    engine.read(cpu.dma(0), line)?;
    cpu.after_completion();
    cpu.take_back(0, line);
    Ok(())
}

/// The NVMe queues of a SC8280XP: a device that snoops, said not to. The CPU stores by an uncached alias, and the device is
/// given the line that speculation has read by the cached one.
fn believed_not_to_snoop(bench: &Bench<'_>, version: Version) -> Outcome {
    let (cpu, line) = (bench.cpu.by(Mapping::Uncached), bench.line);
    let engine = bench.engine_that(match version {
        Right => Snooping::DoesNotSnoop,
        Shipped => Snooping::Snoops,
    });
    cpu.own(0, line);
    bench.clean_and_invalidate(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    cpu.before_doorbell();
    cpu.lend(0, line, DataDirection::ToDevice);
    engine.read(cpu.dma(0), line)?;
    cpu.after_completion();
    cpu.take_back(0, line);
    Ok(())
}

pub(crate) fn bugs() -> Vec<Bug> {
    vec![
        Bug::new(
            "invalidate only before the transfer",
            invalidate_only_before,
        )
        .shown_by(
            Oracle::StaleAtHandBack,
            [Hoarding, Eager, LatePosted, Tearing],
        ),
        Bug::new(
            "bidirectional never invalidated",
            bidirectional_never_invalidated,
        )
        .shown_by(Oracle::StaleAtHandBack, [Lazy, Hoarding]),
        Bug::new(
            "nothing before the device writes",
            nothing_before_the_device_writes,
        )
        .shown_by(Oracle::DirtyOverDevice, [Lazy, EvictingAfterWrites]),
        Bug::new(
            "nothing cleaned because nothing was stored",
            nothing_cleaned_because_nothing_was_stored,
        )
        .on(Config {
            start: Start::Empty,
            ..Config::default()
        })
        .shown_by(Oracle::DirtyOverDevice, [Dirtying]),
        Bug::new(
            "clean and invalidate where a line is dirty",
            clean_and_invalidate_where_a_line_is_dirty,
        )
        .shown_by(Oracle::DirtyOverDevice, [Lazy, EvictingAfterWrites]),
        Bug::new(
            "nothing before the device reads",
            nothing_before_the_device_reads,
        )
        .shown_by(Oracle::DeviceSeesStale, [Lazy, Hoarding]),
        Bug::new(
            "invalidate before a short transfer",
            invalidate_before_a_short_transfer,
        )
        .shown_by(Oracle::Leaked, [Lazy]),
        Bug::new("a store after the clean", store_after_the_clean)
            .shown_by(Oracle::DeviceSeesStale, [Lazy]),
        Bug::new("a device believed to snoop", believed_to_snoop)
            .on(Config {
                snooping: Snooping::Snoops,
                ..Config::default()
            })
            .shown_by(Oracle::DeviceSeesStale, [Lazy]),
        Bug::new("a device believed not to snoop", believed_not_to_snoop)
            .on(Config {
                uncached_alias: true,
                outer: Some(Outer {
                    line: 64,
                    granule: 64,
                    maintained: Maintained::WithTheInner,
                }),
                ..Config::default()
            })
            .lines(1)
            .shown_by(Oracle::DeviceSeesStale, [Hoarding]),
    ]
}

#[test]
fn wrong_maintenance_for_the_direction_is_caught() {
    prove(&bugs());
}

#[test]
fn what_is_wrong_where_lines_are_filled_speculatively_is_right_where_they_are_not() {
    let in_order = Config {
        fills_speculatively: false,
        ..Config::default()
    };
    let bug = Bug::new(
        "invalidate only before the transfer",
        invalidate_only_before,
    );
    bug.on(in_order).passes(Shipped);
}
