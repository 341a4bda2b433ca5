//! Loops over the lines of a range of bytes, as they shipped, and the library's: which ranges each leaves a line out of, by
//! trying them all, and what comes of it.
#![expect(
    unsafe_code,
    reason = "the library's range of lines promises that its bytes are mapped"
)]

use std::{collections::BTreeSet, ptr::NonNull};

use dma_api::{Geometry, LineRange, PhysAddr};
use sim::{Adversary::Lazy, Oracle, presets, steps::Operation};

use crate::bench::{Bug, Version, prove};

/// A loop over the lines of `len` bytes from `at` on: calls `op` with an address in each.
type Loop = fn(at: usize, len: usize, line: usize, op: &mut dyn FnMut(usize));

/// U-Boot on RISC-V, `cbo_op()`: rounds the start down and keeps the length.
fn start_rounded_length_kept(at: usize, len: usize, line: usize, op: &mut dyn FnMut(usize)) {
    let start = at / line * line;
    let end = start + len;
    (start..end).step_by(line).for_each(op);
}

/// cortex-m, `clean_dcache_by_address()`: the number of lines comes from the size alone.
fn lines_counted_by_size(at: usize, len: usize, line: usize, op: &mut dyn FnMut(usize)) {
    let lines = len.div_ceil(line);
    let start = at / line * line;
    (0..lines).for_each(|index| op(start + index * line));
}

/// The same, rounded down.
fn whole_lines_counted_by_size(at: usize, len: usize, line: usize, op: &mut dyn FnMut(usize)) {
    let start = at / line * line;
    (0..len / line).for_each(|index| op(start + index * line));
}

/// ostd 0.18.1 on RISC-V, `sync_dma_range()`: steps by a line from wherever the range starts.
fn steps_from_an_unaligned_start(at: usize, len: usize, line: usize, op: &mut dyn FnMut(usize)) {
    (at..at + len).step_by(line).for_each(op);
}

/// U-Boot on Armv7-M, `action_cache_range()`: a line's size in words is taken for bytes, and the loop ends while there
/// is still one such size to go.
fn words_for_bytes_and_one_step_too_few(
    at: usize,
    len: usize,
    line: usize,
    op: &mut dyn FnMut(usize),
) {
    let size = line / 4;
    let (mut next, mut left) = (at / size * size, len);
    loop {
        op(next);
        left = left.saturating_sub(size);
        next += size;
        if left <= size {
            break;
        }
    }
}

/// The library's.
fn the_librarys(at: usize, len: usize, line: usize, op: &mut dyn FnMut(usize)) {
    let mut bytes = vec![0_u8; len];
    let memory = NonNull::from(&mut bytes[..]);
    // SAFETY: the bytes are mapped, and their physical address is whatever the test says: none is touched.
    let range = unsafe { LineRange::new(memory, PhysAddr::new(at as u64)) }.unwrap();
    let geometry = Geometry::new(line, line).unwrap();
    range
        .physical(geometry)
        .for_each(|line| op(usize::try_from(line.get()).unwrap()));
}

/// Whether the loop leaves out a line that holds a byte of the range.
fn misses(each: Loop, at: usize, len: usize, line: usize) -> bool {
    let mut taken = BTreeSet::new();
    each(at, len, line, &mut |address| {
        taken.insert(address / line);
    });
    (at / line..=(at + len - 1) / line).any(|needed| !taken.contains(&needed))
}

/// Starts in the first two lines of 64 bytes with lengths of 1 to 299: what was tried when these loops were found.
fn ranges() -> impl Iterator<Item = (usize, usize)> {
    (0..128).flat_map(|at| (1..300).map(move |len| (at, len)))
}

fn missed(each: Loop, line: usize) -> usize {
    let missed = ranges().filter(|(at, len)| misses(each, *at, *len, line));
    missed.count()
}

#[test]
fn loops_that_take_the_length_for_the_end_leave_out_a_line_of_almost_half_of_all_ranges() {
    // The bytes before the start in its line push the end into a line that was not counted.
    let predicted = |line: usize| {
        let pushed = |(at, len): &(usize, usize)| at % line + len > len.next_multiple_of(line);
        ranges().filter(pushed).count()
    };

    assert_eq!(ranges().count(), 38_272);
    assert_eq!(
        (missed(start_rounded_length_kept, 64), predicted(64)),
        (17_934, 17_934)
    );
    assert_eq!(
        (missed(steps_from_an_unaligned_start, 64), predicted(64)),
        (17_934, 17_934)
    );
    assert_eq!(
        (missed(lines_counted_by_size, 32), predicted(32)),
        (18_076, 18_076)
    );
    // None, if both ends are aligned.
    for each in [
        start_rounded_length_kept,
        steps_from_an_unaligned_start,
        lines_counted_by_size,
    ] {
        let aligned = ranges().filter(|(at, len)| at % 64 == 0 && len % 64 == 0);
        assert_eq!(
            aligned
                .filter(|(at, len)| misses(each, *at, *len, 64))
                .count(),
            0
        );
    }
}

#[test]
fn a_loop_in_words_that_ends_a_step_early_leaves_out_the_last_line_of_a_third_of_all_ranges() {
    let line = 32;
    // The steps of 8 bytes leave out at most the last; a range of a line that has no other step is taken all the same.
    let predicted = ranges().filter(|(at, len)| {
        let steps = len.div_ceil(8).saturating_sub(1).max(1);
        let last_step = at / 8 * 8 + (steps - 1) * 8;
        (at + len - 1) / line > last_step / line
    });

    let found = missed(words_for_bytes_and_one_step_too_few, line);
    assert_eq!((found, predicted.count()), (13_468, 13_468));
    let first =
        ranges().find(|(at, len)| misses(words_for_bytes_and_one_step_too_few, *at, *len, line));
    assert_eq!(first, Some((0, 33)));
}

#[test]
fn the_librarys_loop_leaves_out_no_line_and_takes_no_other() {
    for line in [16, 32, 64, 128] {
        for (at, len) in (0..2 * line).flat_map(|at| (1..5 * line).map(move |len| (at, len))) {
            let mut taken = Vec::new();
            the_librarys(at, len, line, &mut |address| taken.push(address));
            let needed = (at / line..=(at + len - 1) / line).map(|index| index * line);
            assert_eq!(taken, needed.collect::<Vec<_>>(), "{at} {len} {line}");
        }
    }
}

/// A buffer that a device reads, cleaned by the loop: the first range that the loop leaves a line out of.
fn cleaned_by(name: &'static str, each: Loop) -> Bug {
    Bug::new(name, move |bench, version| {
        let (cpu, line) = (bench.cpu, bench.line);
        let mut ranges = (0..line).flat_map(|at| (1..2 * line).map(move |len| (at, len)));
        let (at, len) = ranges
            .find(|(at, len)| misses(each, *at, *len, line))
            .ok_or("the loop leaves nothing out")?;
        let each = match version {
            Version::Shipped => each,
            Version::Right => the_librarys,
        };
        cpu.own(at, len);
        cpu.store(at, &vec![1; len]);
        cpu.done(at, len);
        each(at, len, line, &mut |address| {
            cpu.issue(Operation::Clean, address, 1)
        });
        cpu.complete();
        bench.sends(at, len)?;
        cpu.take_back(at, len);
        Ok(())
    })
    .lines(3)
    .shown_by(Oracle::DeviceSeesStale, [Lazy])
}

pub(crate) fn bugs() -> Vec<Bug> {
    let cortex_m7 = presets::cortex_m7;
    vec![
        cleaned_by(
            "the start rounded and the length kept",
            start_rounded_length_kept,
        ),
        cleaned_by("lines counted by size", lines_counted_by_size).on(cortex_m7()),
        cleaned_by("whole lines counted by size", whole_lines_counted_by_size),
        cleaned_by(
            "steps from an unaligned start",
            steps_from_an_unaligned_start,
        ),
        cleaned_by(
            "words for bytes and one step too few",
            words_for_bytes_and_one_step_too_few,
        )
        .on(cortex_m7()),
    ]
}

#[test]
fn a_line_left_out_is_caught() {
    prove(&bugs());
}
