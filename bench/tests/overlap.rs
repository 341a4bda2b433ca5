//! Every peer keeps its blocks apart, inside the region, aligned, and below the limits that are asked for.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeMap;

use bench::lane::Entry;
use bench::peer::{Books, Nothing};
use bench::roster;
use bench::script::{Call, Op, Script};
use bench::workloads::{Effort, TIMED};

/// 16 MiB: what the least tree of one peer and four of the longest blocks of another hold.
const PAGES: u32 = 4096;

const EFFORT: Effort = Effort {
    rounds: 1,
    calls: 600,
};

/// Peers and workloads where blocks are not as they should be, found by this test and true of these versions.
const KNOWN: [(&str, &str); 0] = [];

#[test]
fn blocks_of_every_peer_are_apart_aligned_and_below_their_limits_in_every_workload() {
    let mut broken = Vec::new();
    let mut checked = 0;
    for workload in TIMED {
        let script = workload.script(PAGES, EFFORT);
        for entry in roster::all() {
            let (name, workload) = (entry.row.name, workload.name);
            if entry.row.books == Books::None {
                continue;
            }
            match blocks_taken(&entry, &script) {
                Ok(blocks) => {
                    assert!(blocks > 100, "{name} had {blocks} in {workload}");
                    checked += 1;
                }
                Err(why) => {
                    println!("{name} in {workload}: {why}");
                    broken.push((name, workload));
                }
            }
        }
    }

    assert_eq!(broken, KNOWN);
    assert!(checked > 100, "{checked}");
}

#[test]
fn who_hands_out_nothing_of_its_own_is_found_out() {
    let nothing = Entry::of::<Nothing>();

    let sized = ["pow2", "any", "limit"];
    let is_sized = |name: &str| sized.iter().any(|start| name.starts_with(start));
    for workload in TIMED.iter().filter(|workload| is_sized(workload.name)) {
        let found = blocks_taken(&nothing, &workload.script(PAGES, EFFORT));
        assert!(found.is_err(), "{}: {found:?}", workload.name);
    }
}

/// Makes all calls one by one, and says how many blocks were had.
fn blocks_taken(entry: &Entry, script: &Script) -> Result<usize, String> {
    let lane = entry.lane(script.pages, script.slots, &script.limits);
    let mut lane = lane.map_err(|error| error.to_string())?;
    let mut live = BTreeMap::new();
    let mut taken = 0;
    let first = script
        .rounds
        .first()
        .map_or(script.ops.len(), |round| round.timed.end);
    for (index, op) in script.ops.iter().take(first).enumerate() {
        if script.sorted_before == Some(index) {
            lane.sort();
        }
        let before = lane.page(op.slot);
        lane.run(&[*op]);
        match (op.call, before, lane.page(op.slot)) {
            (Call::Give, Some(page), _) => {
                live.remove(&page);
            }
            (Call::Give, None, _) | (_, _, None) => {}
            (_, _, Some(page)) => {
                check(op, page, script.pages, &live)?;
                live.insert(page, op.size.pages);
                taken += 1;
            }
        }
    }
    Ok(taken)
}

/// Whether a block is as it should be beside the blocks there are.
fn check(op: &Op, page: u32, pages: u32, live: &BTreeMap<u32, u32>) -> Result<(), String> {
    let end = page + op.size.pages;
    let highest = match op.call {
        Call::TakeBelow(limit) => limit,
        _ => pages,
    };
    let at = format!("{page}..{end} of {op:?}");
    if end > highest {
        return Err(format!("{at} does not end below {highest}"));
    }
    if !page.is_multiple_of(op.size.align) {
        return Err(format!("{at} is not aligned"));
    }
    let below = live.range(..end).next_back();
    match below {
        Some((start, len)) if start + len > page => {
            Err(format!("{at} overlaps {start}..{}", start + len))
        }
        _ => Ok(()),
    }
}
