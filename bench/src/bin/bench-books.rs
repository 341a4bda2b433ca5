//! How many bits of books the pools keep for a page, by counting what they have on the heap.
//!
//! It is a program of its own, so that the counting costs nothing where time is measured.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::alloc_instead_of_core,
    reason = "a program for the host, where a panic stops a command that nothing else depends on"
)]
#![expect(
    unsafe_code,
    reason = "it counts what the system's allocator is asked for"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use bench::lane::Entry;
use bench::script::Script;
use bench::workloads::{self, Effort, PAGES};
use bench::{roster, timing};

struct Counting;

/// Bytes on the heap.
static BYTES: AtomicIsize = AtomicIsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all is left to the system's allocator, and its lengths are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: the caller promises what this asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Prints the least and the most bits per page of each pool, over the workloads.
fn main() -> Result<()> {
    let effort = Effort {
        rounds: 1,
        calls: 64,
    };
    let names = ["pair4k", "anyL90", "anyH90", "chkFail"].map(str::to_owned);
    let scripts: Vec<Script> = workloads::named(&names)?
        .iter()
        .map(|workload| workload.script(PAGES, effort))
        .collect();
    for entry in roster::all() {
        let bits: Vec<f64> = scripts
            .iter()
            .map(|script| bits(&entry, script))
            .collect::<Result<_>>()?;
        let least = bits.iter().copied().fold(f64::INFINITY, f64::min);
        let most = bits.iter().copied().fold(0.0, f64::max);
        println!("{} {least} {most}", entry.row.name);
    }
    Ok(())
}

/// Bits per page of a pool whose region has been aged.
fn bits(entry: &Entry, script: &Script) -> Result<f64> {
    let before = BYTES.load(Ordering::Relaxed);
    let lane = timing::aged(entry, script, Duration::MAX)?;
    let after = BYTES.load(Ordering::Relaxed);
    let slots = script.slots * size_of::<u32>();
    let bytes = after - before - slots.cast_signed() + lane.uncounted_bytes();
    Ok(bytes as f64 * 8.0 / f64::from(script.pages))
}
