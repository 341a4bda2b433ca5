//! Bounce buffers and pools: whose bytes were there before, and what is kept in the memory that is handed out.

use std::cell::Cell;

use dma_api::{DataDirection, Snooping};
use sim::{
    Adversary::{EvictingAfterWrites, Lazy},
    Config, Cpu, Manners, Oracle,
    trial::Outcome,
};

use crate::bench::{Bench, Bug, Version, prove};
use Version::{Right, Shipped};

/// FreeBSD on arm64 and RISC-V, OpenBSD on arm64, EDK2's `NonCoherentDmaLib`, U-Boot's `bouncebuf`: nothing is copied into
/// the bounce buffer before the device writes to it, and all of it is copied out however much the device wrote. What an
/// earlier transfer left there reaches the client (Linux had this as CVE-2022-0854).
fn short_transfer_copied_back_whole(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    let (slot, client) = (0, line);
    cpu.store(slot, &vec![0; line]);
    cpu.hand_out(slot, line);
    cpu.store(slot, &vec![0x5e; line]);
    cpu.give_back(slot, line);

    cpu.own(client, line);
    cpu.store(client, &vec![1; line]);
    cpu.own(slot, line);
    if version == Right {
        cpu.copy(client, slot, line);
    }
    cpu.done(slot, line);
    cpu.clean(slot, line);
    bench.receives(slot, line, line / 2)?;
    cpu.invalidate(slot, line);
    cpu.take_back(slot, line);
    cpu.copy(slot, client, line);
    Ok(())
}

/// The same without the copy in: only what the device has written is copied out.
fn more_copied_back_than_was_written(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    let (slot, client) = (0, line);
    cpu.own(client, line);
    cpu.store(client, &vec![1; line]);
    cpu.own(slot, line);
    cpu.done(slot, line);
    cpu.clean(slot, line);
    bench.receives(slot, line, line / 2)?;
    cpu.invalidate(slot, line);
    cpu.take_back(slot, line);
    match version {
        Shipped => cpu.copy(slot, client, line),
        Right => cpu.copy(slot, client, line / 2),
    }
    Ok(())
}

/// A device's word for how much it has written, believed: what lies behind the bounce buffer is copied out with it.
fn length_believed(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    let (slot, client, claimed) = (0, 2 * line, line + 1);
    cpu.own(client, 2 * line);
    cpu.own(slot, line);
    cpu.done(slot, line);
    cpu.clean(slot, line);
    bench.receives(slot, line, line)?;
    cpu.invalidate(slot, line);
    cpu.take_back(slot, line);
    match version {
        Shipped => cpu.copy(slot, client, claimed),
        Right => cpu.copy(slot, client, claimed.min(line)),
    }
    Ok(())
}

/// What EDK2 takes care of: a page that becomes a bounce buffer may have been written to by whoever had it before.
fn dirty_lines_over_the_bounce_buffer(bench: &Bench<'_>, version: Version) -> Outcome {
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

/// dma-api 0.10.2, `ContiguousBufferPool`: buffers go from one owner to the next as they are.
fn buffers_handed_on_as_they_are(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    cpu.store(0, &vec![0; line]);
    cpu.hand_out(0, line);
    cpu.store(0, b"key");
    cpu.give_back(0, line);
    if version == Right {
        cpu.store(0, &vec![0; line]);
    }
    cpu.hand_out(0, line);
    Ok(())
}

/// A pool of three blocks of one line each, whose free list goes through the first byte of each free block, or is kept
/// elsewhere.
struct Pool<'m> {
    cpu: Cpu<'m>,
    line: usize,
    head: Cell<usize>,
    elsewhere: Option<Cell<[usize; 3]>>,
}

impl<'m> Pool<'m> {
    fn new(bench: &Bench<'m>, version: Version) -> Self {
        let pool = Self {
            cpu: bench.cpu,
            line: bench.line,
            head: Cell::new(3),
            elsewhere: (version == Right).then(Cell::default),
        };
        (0..3).rev().for_each(|block| pool.push(block));
        pool
    }

    fn push(&self, block: usize) {
        let next = self.head.replace(block);
        match &self.elsewhere {
            None => self
                .cpu
                .store(block * self.line, &[u8::try_from(next).unwrap()]),
            Some(links) => {
                let mut changed = links.get();
                changed[block] = next;
                links.set(changed);
            }
        }
    }

    fn take(&self) -> usize {
        let (block, at) = (self.head.get(), self.head.get() * self.line);
        let next = match &self.elsewhere {
            None => usize::from(self.cpu.load(at, 1)[0]),
            Some(links) => links.get()[block],
        };
        self.head.set(next);
        self.cpu.store(at, &vec![0; self.line]);
        self.cpu.hand_out(at, self.line);
        block
    }

    fn give(&self, block: usize) {
        self.cpu.give_back(block * self.line, self.line);
        self.push(block);
    }
}

/// A free list in the memory that is handed out, as many an allocator has it: a device that still writes to a block after it
/// was freed says which block is handed out next, here one that somebody has.
fn free_list_where_a_device_writes(bench: &Bench<'_>, version: Version) -> Outcome {
    let Bench { cpu, line, .. } = *bench;
    let pool = Pool::new(bench, version);
    let (block, somebodys) = (pool.take(), pool.take());
    cpu.before_doorbell();
    cpu.lend(block * line, line, DataDirection::FromDevice);
    cpu.after_completion();
    cpu.take_back(block * line, line);
    pool.give(block);
    cpu.before_doorbell();

    let late = bench.engine.with_manners(Manners::Late);
    late.write(cpu.dma(block * line), &[u8::try_from(somebodys)?])?;
    bench.engine.settle();
    pool.take();
    pool.take();
    Ok(())
}

pub(crate) fn bugs() -> Vec<Bug> {
    vec![
        Bug::new(
            "a short transfer copied back whole",
            short_transfer_copied_back_whole,
        )
        .shown_by(Oracle::Leaked, [Lazy]),
        Bug::new(
            "more copied back than was written",
            more_copied_back_than_was_written,
        )
        .shown_by(Oracle::Leaked, [Lazy]),
        Bug::new("a length believed", length_believed)
            .lines(4)
            .shown_by(Oracle::Leaked, [Lazy]),
        Bug::new(
            "dirty lines over the bounce buffer",
            dirty_lines_over_the_bounce_buffer,
        )
        .shown_by(Oracle::DirtyOverDevice, [Lazy, EvictingAfterWrites]),
        Bug::new(
            "buffers handed on as they are",
            buffers_handed_on_as_they_are,
        )
        .shown_by(Oracle::Leaked, [Lazy]),
        Bug::new(
            "a free list where a device writes",
            free_list_where_a_device_writes,
        )
        .on(Config {
            name: "one level, snooped",
            snooping: Snooping::Snoops,
            ..Config::default()
        })
        .lines(3)
        .shown_by(Oracle::Reused, [Lazy]),
    ]
}

#[test]
fn leaks_and_books_that_a_device_can_write_are_caught() {
    prove(&bugs());
}
