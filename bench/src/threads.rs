//! Two threads on one pool, beside one thread alone.

use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::Result;

use crate::churn::{ANYWHERE, Churn};
use crate::peer::{Peer, Size};
use crate::peers::buddy_frames::BuddyFrames;
use crate::peers::offsets::Offsets;
use crate::peers::ours::Ours;
use crate::peers::ours_through::{OursBitmap, OursLocked, OursPerCpu, Through};
use crate::script::{Call, Op};
use crate::sizes::Sizes;
use crate::stats::Spread;
use crate::workloads::{PAGES, percent};
use dma_api::DmaAllocator;

/// A pool that threads may share.
trait Shared: Sync {
    fn take(&self, size: Size) -> Option<u32>;
    fn give(&self, page: u32, size: Size);
}

/// A pool that threads may not share, behind a lock that is taken for each call.
struct Behind<P>(Mutex<P>);

impl<P: Peer + Send> Shared for Behind<P> {
    fn take(&self, size: Size) -> Option<u32> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(size)
    }

    fn give(&self, page: u32, size: Size) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .give(page, size);
    }
}

impl<A: DmaAllocator + Sync> Shared for Through<A> {
    fn take(&self, size: Size) -> Option<u32> {
        self.take_shared(size)
    }

    fn give(&self, page: u32, size: Size) {
        self.give_shared(page, size);
    }
}

/// Two threads' calls in a second beside one's, of each pool that is measured.
///
/// # Errors
/// A pool cannot have the region.
pub fn run(calls: usize, rounds: usize) -> Result<Vec<(&'static str, Spread)>> {
    let pools: [(&'static str, Box<dyn Shared>); 6] = [
        (
            Ours::ROW.name,
            Box::new(Behind(Mutex::new(Ours::new(PAGES, &[])?))),
        ),
        (OursLocked::ROW.name, Box::new(OursLocked::new(PAGES, &[])?)),
        (OursPerCpu::ROW.name, Box::new(OursPerCpu::new(PAGES, &[])?)),
        (OursBitmap::ROW.name, Box::new(OursBitmap::new(PAGES, &[])?)),
        (
            BuddyFrames::ROW.name,
            Box::new(Behind(Mutex::new(BuddyFrames::new(PAGES, &[])?))),
        ),
        (
            Offsets::ROW.name,
            Box::new(Behind(Mutex::new(Offsets::new(PAGES, &[])?))),
        ),
    ];
    let streams = [31, 32].map(|seed| stream(seed, calls));
    let mut found = Vec::new();
    for (name, pool) in &pools {
        let ratios: Vec<f64> = (0..rounds)
            .map(|_| {
                let alone = throughput(pool.as_ref(), &streams[..1]);
                throughput(pool.as_ref(), &streams) / alone
            })
            .collect();
        found.extend(Spread::of(&ratios).map(|ratio| (*name, ratio)));
    }
    Ok(found)
}

/// Calls that take and give back everything, with up to a quarter of the pages taken.
fn stream(seed: u64, calls: usize) -> Vec<Op> {
    let mut churn = Churn::new(seed, Sizes::AnyLight, ANYWHERE, percent(PAGES, 25));
    let mut ops: Vec<Op> = (0..calls).map(|_| churn.next_op()).collect();
    ops.extend(churn.finish());
    ops
}

/// Calls in a nanosecond, of all streams together.
fn throughput(pool: &dyn Shared, streams: &[Vec<Op>]) -> f64 {
    let barrier = Barrier::new(streams.len());
    let barrier = &barrier;
    let nanos = thread::scope(|scope| {
        let threads: Vec<_> = streams
            .iter()
            .map(|ops| {
                scope.spawn(move || {
                    let mut slots = vec![None; PAGES as usize];
                    barrier.wait();
                    let started = Instant::now();
                    run_all(pool, ops, &mut slots);
                    (started, Instant::now())
                })
            })
            .collect();
        let spans: Vec<_> = threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect();
        let first = spans.iter().map(|(started, _)| *started).min();
        let last = spans.iter().map(|(_, ended)| *ended).max();
        first
            .zip(last)
            .map_or(0, |(first, last)| (last - first).as_nanos())
    });
    let calls: usize = streams.iter().map(Vec::len).sum();
    calls as f64 / nanos as f64
}

fn run_all(pool: &dyn Shared, ops: &[Op], slots: &mut [Option<u32>]) {
    for op in ops {
        let slot = &mut slots[op.slot as usize];
        match op.call {
            Call::Give => {
                if let Some(page) = slot.take() {
                    pool.give(page, op.size);
                }
            }
            _ => *slot = pool.take(op.size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gives_back_all_that_it_takes_and_threads_leave_the_pool_whole() {
        let streams = [1, 2].map(|seed| stream(seed, 500));
        assert!(streams.iter().all(|ops| ops.len() >= 500));
        let bitmap = OursBitmap::new(PAGES, &[]).unwrap();
        let locked = OursLocked::new(PAGES, &[]).unwrap();

        let per_cpu = OursPerCpu::new(PAGES, &[]).unwrap();

        for pool in [&bitmap as &dyn Shared, &locked] {
            assert!(throughput(pool, &streams) > 0.0);
            assert_eq!(pool.take(Size::pages(PAGES)), Some(0));
        }
        assert!(throughput(&per_cpu, &streams) > 0.0);
        let halves = [0, 1].map(|_| per_cpu.take_shared(Size::pages(PAGES / 2)));
        assert!(halves == [Some(0), Some(PAGES / 2)] || halves == [Some(PAGES / 2), Some(0)]);
    }
}
