//! One byte at two addresses of the CPU, and maintenance by the wrong one.

use dma_api::DataDirection;
use sim::{
    Adversary::{Aliasing, EvictingAfterWrites, Lazy},
    Config, Oracle,
    layout::Mapping,
    trial::Outcome,
};

use crate::bench::{Bench, Bug, Version, prove};
use Version::{Right, Shipped};

/// Stores by one colour of a cache that is indexed by virtual address, and cleans by another.
fn clean_by_another_colour(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    let maintained = match version {
        Shipped => cpu.by(Mapping::Cached(1)),
        Right => cpu,
    };
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    maintained.clean(0, line);
    bench.sends(0, line)?;
    cpu.take_back(0, line);
    Ok(())
}

/// Linux, a buffer in the kernel's `vmap` space whose caches alias: the linear mapping is synchronised for the CPU, which
/// reads by the other.
fn read_by_an_alias_that_is_not_invalidated(bench: &Bench<'_>, version: Version) -> Outcome {
    let (linear, line) = (bench.cpu, bench.line);
    let vmap = linear.by(Mapping::Cached(1));
    vmap.own(0, line);
    vmap.done(0, line);
    vmap.clean(0, line);
    linear.clean(0, line);
    bench.receives(0, line, line)?;
    linear.invalidate(0, line);
    if version == Right {
        vmap.invalidate(0, line);
    }
    vmap.take_back(0, line);
    Ok(())
}

/// MIPS, memory used by KSEG1 whose lines may be dirty in KSEG0: they are written back over what the CPU stores uncached.
fn uncached_alias_of_a_dirty_line(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    let uncached = cpu.by(Mapping::Uncached);
    cpu.own(0, line);
    cpu.store(0, &vec![0; line]);
    cpu.done(0, line);
    if version == Right {
        bench.clean_and_invalidate(0, line);
    }
    uncached.own(0, line);
    uncached.store(0, &vec![1; line]);
    Ok(())
}

/// The same with a device at the other end: both sides use the memory, and a line of it is dirty.
fn coherent_memory_under_a_dirty_line(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    let uncached = cpu.by(Mapping::Uncached);
    uncached.own(0, line);
    if version == Right {
        bench.clean_and_invalidate(0, line);
    }
    uncached.store(0, &vec![1; line]);
    uncached.done(0, line);
    cpu.before_doorbell();
    cpu.share(0, line);
    bench.engine.write(cpu.dma(0), &vec![2; line])?;
    cpu.after_completion();
    Ok(())
}

/// A ring that is used uncached, and a variable that is not, in one line.
fn uncached_beside_cached(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    let uncached = cpu.by(Mapping::Uncached);
    let at = match version {
        Shipped => line - 1,
        Right => line,
    };
    uncached.own(0, line / 2);
    cpu.own(at, 1);
    bench.clean_and_invalidate(0, line);
    cpu.store(at, &[7]);
    uncached.store(0, &vec![1; line / 2]);
    uncached.done(0, line / 2);
    cpu.before_doorbell();
    cpu.lend(0, line / 2, DataDirection::ToDevice);
    bench.engine.read(cpu.dma(0), line / 2)?;
    cpu.after_completion();
    cpu.take_back(0, line / 2);
    Ok(())
}

pub(crate) fn bugs() -> Vec<Bug> {
    let coloured = || Config {
        colours: 2,
        ..Config::default()
    };
    let aliased = || Config {
        uncached_alias: true,
        ..Config::default()
    };
    vec![
        Bug::new("a clean by another colour", clean_by_another_colour)
            .on(coloured())
            .shown_by(Oracle::DeviceSeesStale, [Lazy, Aliasing]),
        Bug::new(
            "read by an alias that is not invalidated",
            read_by_an_alias_that_is_not_invalidated,
        )
        .on(coloured())
        .shown_by(Oracle::StaleAtHandBack, [Aliasing]),
        Bug::new(
            "an uncached alias of a dirty line",
            uncached_alias_of_a_dirty_line,
        )
        .on(aliased())
        .shown_by(Oracle::NeighbourLost, [Lazy])
        .shown_by(Oracle::Leaked, [Aliasing]),
        Bug::new(
            "coherent memory under a dirty line",
            coherent_memory_under_a_dirty_line,
        )
        .on(aliased())
        .shown_by(Oracle::DirtyOverDevice, [EvictingAfterWrites]),
        Bug::new("uncached beside cached", uncached_beside_cached)
            .on(aliased())
            .shown_by(Oracle::NeighbourLost, [Lazy])
            .or(Oracle::DirtyOverDevice),
    ]
}

#[test]
fn maintenance_by_the_wrong_address_is_caught() {
    prove(&bugs());
}
