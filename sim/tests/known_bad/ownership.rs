//! Memory that a device may still be using, used by somebody else.

use dma_api::DataDirection;
use sim::{Adversary::Lazy, Manners, Oracle, Task, trial::Outcome};

use crate::bench::{Bench, Bug, Version, prove};
use Version::{Right, Shipped};

/// A time-out, after which the buffer is used again, and a device that goes on with what it was told. Nothing but a device
/// that is known to be quiet makes that right: the twin leaves the buffer lent and uses another.
fn used_again_after_a_time_out(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    let late = bench.engine.with_manners(Manners::Late);
    cpu.own(0, 2 * line);
    cpu.done(0, line);
    cpu.clean(0, line);
    cpu.before_doorbell();
    cpu.lend(0, line, DataDirection::FromDevice);
    let transfer = late.start(&[Task::Write(cpu.dma(0), vec![2; line])])?;
    late.wait(transfer);
    cpu.after_completion();
    match version {
        Shipped => {
            cpu.invalidate(0, line);
            cpu.take_back(0, line);
            cpu.store(0, &[1]);
        }
        Right => cpu.store(line, &[1]),
    }
    Ok(())
}

/// dma-api 0.10.2, and ostd without an IOMMU: a buffer that is dropped goes back to its allocator, lent or not.
fn freed_while_lent(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.store(0, &vec![0; line]);
    cpu.hand_out(0, line);
    cpu.done(0, line);
    cpu.clean(0, line);
    bench.receives(0, line, line)?;
    if version == Right {
        cpu.invalidate(0, line);
        cpu.take_back(0, line);
    }
    cpu.give_back(0, line);
    Ok(())
}

/// Two mappings of the same bytes: they are lent twice.
fn lent_twice(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    cpu.clean(0, line);
    bench.sends(0, line)?;
    if version == Right {
        cpu.take_back(0, line);
    }
    cpu.before_doorbell();
    cpu.lend(0, line, DataDirection::ToDevice);
    Ok(())
}

/// dma-api 0.10.2, `StreamingMap`: the bytes can be read while the device writes them.
fn read_while_lent(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.done(0, line);
    cpu.clean(0, line);
    bench.receives(0, line, line)?;
    if version == Shipped {
        let _ = cpu.load(0, 1);
    }
    cpu.invalidate(0, line);
    cpu.take_back(0, line);
    let _ = cpu.load(0, 1);
    Ok(())
}

/// dma-api 0.10.2, `set_cpu` and `write_with_cpu`: the bytes can be written while the device reads them.
fn stored_while_lent(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, line);
    cpu.store(0, &vec![1; line]);
    cpu.done(0, line);
    cpu.clean(0, line);
    bench.sends(0, line)?;
    if version == Shipped {
        cpu.store(0, &[2]);
    }
    cpu.take_back(0, line);
    cpu.store(0, &[2]);
    Ok(())
}

/// ostd 0.18.1, `DmaSegment` (its issue #3920): a range that ends behind the segment is accepted, and the device is told of
/// bytes that are its sibling's.
fn longer_than_what_was_lent(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.own(0, 2 * line);
    cpu.done(0, line);
    cpu.clean(0, line);
    cpu.before_doorbell();
    cpu.lend(0, line, DataDirection::FromDevice);
    let told = match version {
        Shipped => 2 * line,
        Right => line,
    };
    bench.engine.write(cpu.dma(0), &vec![2; told])?;
    cpu.after_completion();
    cpu.invalidate(0, line);
    cpu.take_back(0, line);
    Ok(())
}

pub(crate) fn bugs() -> Vec<Bug> {
    vec![
        Bug::new("used again after a time-out", used_again_after_a_time_out)
            .shown_by(Oracle::Reused, [Lazy])
            .or(Oracle::MissingBarrier),
        Bug::new("freed while lent", freed_while_lent).shown_by(Oracle::Reused, [Lazy]),
        Bug::new("lent twice", lent_twice).shown_by(Oracle::Reused, [Lazy]),
        Bug::new("read while lent", read_while_lent).shown_by(Oracle::CpuTouchedDevices, [Lazy]),
        Bug::new("stored while lent", stored_while_lent)
            .shown_by(Oracle::CpuTouchedDevices, [Lazy]),
        Bug::new("longer than what was lent", longer_than_what_was_lent)
            .shown_by(Oracle::DeviceStrayed, [Lazy]),
    ]
}

#[test]
fn memory_with_two_users_is_caught() {
    prove(&bugs());
}
