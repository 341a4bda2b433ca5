//! Bytes that a device writes share a line, or a granule, with bytes that it does not, or maintenance takes lines that it was
//! not asked for.

use dma_api::DataDirection;
use sim::{
    Adversary::{BigGranule, Evicting, EvictingAfterWrites, Lazy, Upgrading},
    Config, Oracle,
    steps::Operation,
    trial::Outcome,
};

use crate::bench::{Bench, Bug, Version, prove};
use Version::{Right, Shipped};

/// Where the driver's receive buffer starts: in the middle of a line whose first bytes are somebody else's, or behind it.
fn buffer(bench: &Bench<'_>, version: Version) -> usize {
    match version {
        Shipped => bench.line / 2,
        Right => bench.line,
    }
}

/// A device writes to a buffer; at the same time the CPU counts in byte 0, which is somebody else's.
fn neighbour_stored_meanwhile(bench: &Bench<'_>, at: usize, len: usize) -> Outcome {
    let cpu = bench.cpu;
    cpu.own(0, 1);
    cpu.store(0, &[6]);
    cpu.own(at, len);
    cpu.store(at, &vec![0; len]);
    cpu.done(at, len);
    cpu.clean(at, len);
    cpu.before_doorbell();
    cpu.lend(at, len, DataDirection::FromDevice);
    let counted = cpu.load(0, 1)[0];
    bench.engine.write(cpu.dma(at), &vec![2; len])?;
    cpu.after_completion();
    cpu.store(0, &[counted.wrapping_add(1)]);
    Ok(())
}

/// CMSIS, `SCB_InvalidateDCache_by_Addr`, and the drivers for the Cortex-M7 that call it with any buffer: the first and the
/// last line are discarded like all others, with what the CPU has stored there.
fn edges_invalidated(bench: &Bench<'_>, version: Version) -> Outcome {
    let (cpu, line, at) = (bench.cpu, bench.line, buffer(bench, version));
    neighbour_stored_meanwhile(bench, at, line)?;
    cpu.invalidate(at, line);
    cpu.take_back(at, line);
    Ok(())
}

/// arm64 in Linux, Armv7-M in NuttX: the first and the last line, if they are shared, are cleaned and invalidated. That
/// keeps what the CPU has stored there, and writes it, with what the line held before, over what the device has written.
fn edges_cleaned_and_invalidated(bench: &Bench<'_>, version: Version) -> Outcome {
    let (cpu, line, at) = (bench.cpu, bench.line, buffer(bench, version));
    neighbour_stored_meanwhile(bench, at, line)?;
    if version == Shipped {
        cpu.issue(Operation::CleanAndInvalidate, at, 1);
        cpu.issue(Operation::CleanAndInvalidate, at + line - 1, 1);
    }
    cpu.issue(Operation::Invalidate, at, line);
    cpu.complete();
    cpu.take_back(at, line);
    Ok(())
}

/// dma-api 0.10.2, `prepare_for_device`: the invalidate takes shared lines before the transfer, so that a neighbour's
/// stores are lost even if there are none during it.
fn edges_invalidated_before(bench: &Bench<'_>, version: Version) -> Outcome {
    let (cpu, line, at) = (bench.cpu, bench.line, buffer(bench, version));
    cpu.own(0, 1);
    cpu.store(0, &[7]);
    cpu.own(at, line);
    cpu.done(at, line);
    cpu.invalidate(at, line);
    bench.receives(at, line, line)?;
    cpu.invalidate(at, line);
    cpu.take_back(at, line);
    Ok(())
}

/// embassy-stm32's NPU: cleans and invalidates the shared lines, and then invalidates all of them. What an interrupt stores
/// in between is lost.
fn edges_cleaned_and_then_invalidated(bench: &Bench<'_>, version: Version) -> Outcome {
    let (cpu, line, at) = (bench.cpu, bench.line, buffer(bench, version));
    cpu.own(0, 1);
    cpu.own(at, line);
    cpu.done(at, line);
    bench.clean_and_invalidate(at, 1);
    bench.clean_and_invalidate(at + line - 1, 1);
    cpu.store(0, &[7]);
    cpu.invalidate(at, line);
    Ok(())
}

/// A buffer that is aligned to what maintenance steps by, where a write-back takes more than that: two lines.
fn aligned_to_a_line_in_a_larger_granule(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    let (at, len) = match version {
        Shipped => (line, line),
        Right => (2 * line, 2 * line),
    };
    neighbour_stored_meanwhile(bench, at, len)?;
    cpu.invalidate(at, len);
    cpu.take_back(at, len);
    Ok(())
}

/// A buffer that starts on a granule and has it for itself, of which only the lines with its bytes are cleaned.
fn the_rest_of_the_granule_left_dirty(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, 2 * line);
    cpu.store(0, &vec![0; 2 * line]);
    cpu.done(0, 2 * line);
    match version {
        Shipped => cpu.clean(0, line),
        Right => cpu.clean(0, 2 * line),
    }
    bench.receives(0, line, line)?;
    cpu.invalidate(0, line);
    cpu.take_back(0, line);
    Ok(())
}

/// Linux on arm64, an invalidate of no byte that starts on a line: the loop looks at its end after the first `dc ivac`.
fn invalidate_of_no_byte(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(line, line);
    cpu.store(line, &vec![7; line]);
    let (at, len) = (line, 0);
    if version == Shipped || len > 0 {
        cpu.invalidate(at, 1);
    }
    Ok(())
}

/// NuttX on Armv7-M, `up_clean_dcache`: a do-while loop, which takes a line where it was asked for none.
fn clean_of_no_byte(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    let (end, len) = (line, 0);
    if version == Shipped || len > 0 {
        cpu.clean(end, 1);
    }
    Ok(())
}

/// The whole cache is invalidated for a buffer in it, with the buffer's neighbours.
fn all_invalidated(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, 2 * line);
    cpu.store(line, &[1]);
    cpu.clean(0, 2 * line);
    cpu.store(line, &[2]);
    cpu.done(0, line);
    cpu.clean(0, line);
    bench.receives(0, line, line)?;
    match version {
        Shipped => cpu.invalidate(0, 2 * line),
        Right => cpu.invalidate(0, line),
    }
    cpu.take_back(0, line);
    Ok(())
}

/// Linux on the Andes AX45MP: both ends are rounded out to lines, and all is invalidated as if it had been asked for. What
/// is lost here is of a stack, of which only its user knows: nobody looks before the end.
fn ends_rounded_out(bench: &Bench<'_>, version: Version) -> Outcome {
    let (cpu, line, half) = (bench.cpu, bench.line, bench.line / 2);
    let stack = match version {
        Shipped => half,
        Right => line,
    };
    cpu.own(0, half);
    cpu.done(0, half);
    cpu.clean(0, line);
    bench.receives(0, half, half)?;
    cpu.store(stack, &[7]);
    cpu.invalidate(0, line);
    cpu.take_back(0, half);
    Ok(())
}

pub(crate) fn bugs() -> Vec<Bug> {
    let large_granule = || Config {
        granule: 128,
        ..Config::default()
    };
    vec![
        Bug::new("shared lines invalidated", edges_invalidated)
            .shown_by(Oracle::DiscardedForeign, [Lazy])
            .shown_by(Oracle::DirtyOverDevice, [Evicting, Upgrading]),
        Bug::new(
            "shared lines cleaned and invalidated",
            edges_cleaned_and_invalidated,
        )
        .shown_by(Oracle::DirtyOverDevice, [Lazy, Upgrading]),
        Bug::new("shared lines invalidated before", edges_invalidated_before)
            .shown_by(Oracle::DiscardedForeign, [Lazy]),
        Bug::new(
            "shared lines cleaned and then invalidated",
            edges_cleaned_and_then_invalidated,
        )
        .shown_by(Oracle::DiscardedForeign, [Lazy]),
        Bug::new(
            "aligned to a line in a larger granule",
            aligned_to_a_line_in_a_larger_granule,
        )
        .on(large_granule())
        .lines(4)
        .shown_by(Oracle::DirtyOverDevice, [BigGranule]),
        Bug::new(
            "the rest of the granule left dirty",
            the_rest_of_the_granule_left_dirty,
        )
        .on(large_granule())
        .shown_by(Oracle::DirtyOverDevice, [EvictingAfterWrites]),
        Bug::new("invalidate of no byte", invalidate_of_no_byte)
            .shown_by(Oracle::DiscardedForeign, [Lazy]),
        Bug::new("clean of no byte", clean_of_no_byte).shown_by(Oracle::OutsideAnyBuffer, [Lazy]),
        Bug::new("the whole cache invalidated", all_invalidated)
            .shown_by(Oracle::CpuSeesStale, [Lazy]),
        Bug::new("ends rounded out", ends_rounded_out)
            .shown_by(Oracle::LostAtTheEnd, [Lazy])
            .or(Oracle::DirtyOverDevice),
    ]
}

#[test]
fn shared_lines_and_lines_that_are_not_asked_for_are_caught() {
    prove(&bugs());
}
