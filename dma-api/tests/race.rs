//! Threads that share allocators: no two have the same memory, and whoever gets it after another sees nothing of his.
//!
//! A test program of its own, so that it can be built with a tool that watches memory accesses for races: each thread
//! writes its blocks with ordinary stores, and an allocator that hands memory from one to another without ordering
//! those is reported, whatever the values were.
#![expect(
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test adopts and reads memory, calculates, and panics"
)]

#[path = "model/ram.rs"]
mod ram;

use core::{
    cell::Cell,
    ptr::NonNull,
    slice,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};
use std::{sync::mpsc, thread};

use dma_api::{
    Alignment, BitmapPool, Block, DmaAllocator, Error, PerCpu, PhysAddr, Refused, Request,
    SearchOrder,
};
use ram::{Ram, request, soil};

const THREADS: usize = 4;
const ROUNDS: usize = 300;
/// Bytes of a unit.
const UNIT: usize = 64;

thread_local! {
    static THREAD: Cell<usize> = const { Cell::new(0) };
}

fn this_thread() -> usize {
    THREAD.get()
}

/// Threads allocate, write, look at what they wrote, and give back: every second block on the thread that allocated it,
/// the others on the next one. Says how many blocks there were.
///
/// An allocator is tested by one call of this, and by looking afterwards whether all its memory is there again.
fn share(memory: &(impl DmaAllocator + Sync)) -> usize {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..THREADS).map(|_| mpsc::channel::<Block>()).unzip();
    thread::scope(|scope| {
        let threads: Vec<_> = receivers
            .into_iter()
            .enumerate()
            .map(|(thread, received)| {
                let next = senders[(thread + 1) % THREADS].clone();
                scope.spawn(move || {
                    THREAD.set(thread);
                    let count = work(memory, thread, &next, &received);
                    drop(next);
                    // What the neighbour sends until it ends.
                    for block in received {
                        give_back(memory, block);
                    }
                    count
                })
            })
            .collect();
        drop(senders);
        threads.into_iter().map(|one| one.join().unwrap()).sum()
    })
}

fn work(
    memory: &impl DmaAllocator,
    thread: usize,
    next: &mpsc::Sender<Block>,
    received: &mpsc::Receiver<Block>,
) -> usize {
    let mut count = 0;
    let mark = u8::try_from(thread).unwrap();
    for round in 0..ROUNDS {
        let len = UNIT * (1 + (round * (thread + 1)) % 9);
        if let Ok(mut block) = memory.allocate(&request(len)) {
            count += 1;
            soil(&mut block);
            fill(&block, mark);
            thread::yield_now();
            assert!(bytes(&block).iter().all(|byte| *byte == mark));
            if round % 2 == 0 {
                give_back(memory, block);
            } else {
                next.send(block).unwrap();
            }
        }
        received
            .try_iter()
            .for_each(|block| give_back(memory, block));
    }
    count
}

fn bytes(block: &Block) -> &[u8] {
    let memory = block.memory();
    // SAFETY: the block has its memory for itself, and it is initialised.
    unsafe { slice::from_raw_parts(memory.cast().as_ptr(), memory.len()) }
}

fn fill(block: &Block, value: u8) {
    let memory = block.memory();
    // SAFETY: the block has its memory for itself.
    unsafe { memory.cast::<u8>().write_bytes(value, memory.len()) };
}

fn give_back(memory: &impl DmaAllocator, block: Block) {
    assert_eq!(memory.free(block).map_err(|refused| refused.error), Ok(()));
}

/// Memory of that many units for a pool; `index` is that of the pool among others.
fn adopted(pool: &BitmapPool<1>, units: usize, index: u64) -> Ram {
    let ram = Ram::new(units * UNIT, 4096);
    let phys = PhysAddr::new((index + 1) << 20);
    let unit = Alignment::new(UNIT as u64).unwrap();
    // SAFETY: the memory is the pool's, and no block of it is used when it goes.
    unsafe { pool.adopt(ram.start, phys, units * UNIT, unit) }.unwrap();
    ram
}

/// Three small pools and their memory.
fn three() -> ([BitmapPool<1>; 3], [Ram; 3]) {
    let pools = [const { BitmapPool::new() }; 3];
    let rams = [8, 12, 20];
    let mut index = 0;
    let rams = rams.map(|units| {
        let ram = adopted(&pools[index], units, index as u64);
        index += 1;
        ram
    });
    (pools, rams)
}

fn free_bytes(pools: &[BitmapPool<1>]) -> Vec<usize> {
    pools.iter().map(BitmapPool::free_bytes).collect()
}

const ALL: [usize; 3] = [8 * UNIT, 12 * UNIT, 20 * UNIT];

#[test]
fn threads_share_a_bitmap_pool() {
    let pool = BitmapPool::<1>::new();
    let _ram = adopted(&pool, 24, 0);

    let count = share(&pool);

    assert!(count > ROUNDS, "{count}");
    assert_eq!(pool.largest_free(), 24 * UNIT);
}

#[test]
fn threads_share_an_order_of_allocators() {
    let (pools, _rams) = three();
    let members = pools
        .each_ref()
        .map(|pool| pool as &(dyn DmaAllocator + Sync));

    let count = share(&SearchOrder::new(&members));

    assert!(count > ROUNDS, "{count}");
    assert_eq!(free_bytes(&pools), ALL);
}

#[test]
fn threads_share_the_pools_that_others_ask_first() {
    let (pools, _rams) = three();

    let count = share(&PerCpu::new(&pools, this_thread));

    assert!(count > ROUNDS, "{count}");
    assert_eq!(free_bytes(&pools), ALL);
}

/// One block, and books that keep two threads from having it at once, but order nothing that they do with it.
struct Unordered {
    taken: AtomicBool,
    ram: Ram,
}

// SAFETY: none for the race between one owner's accesses and the next one's, which is the point.
unsafe impl Sync for Unordered {}

// SAFETY: as above; besides that, it hands out one block to one owner at a time.
unsafe impl DmaAllocator for Unordered {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        let len = request.len.get();
        if self.taken.swap(true, Ordering::Relaxed) {
            return Err(Error::Exhausted {
                len,
                largest_free: 0,
            });
        }
        // SAFETY: the memory is longer than any request here.
        unsafe { self.ram.start.write_bytes(0, len) };
        let memory = NonNull::slice_from_raw_parts(self.ram.start, len);
        // SAFETY: nobody else has it.
        unsafe { Block::new(memory, PhysAddr::new(0)) }
    }

    fn free(&self, _: Block) -> Result<(), Refused<Block>> {
        self.taken.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// The tool that watches must be seen to watch: without it this passes on most processors.
///
/// The second owner begins when the first has given its block back, which it learns from a counter that orders nothing
/// either; both threads are there all the time, since to start and to end one orders something. They sleep while they wait:
/// the tool remembers a limited number of steps, and says nothing of a race whose first half it has forgotten.
#[test]
#[ignore = "it races on purpose, to be reported by a tool that looks for that"]
fn an_allocator_that_orders_nothing_races() {
    let memory = Unordered {
        taken: AtomicBool::new(false),
        ram: Ram::new(UNIT, UNIT),
    };
    let turn = AtomicUsize::new(0);
    let wait_for = |number| {
        while turn.load(Ordering::Relaxed) != number {
            thread::sleep(Duration::from_millis(1));
        }
    };
    let own = |mark| {
        let block = memory.allocate(&request(UNIT)).unwrap();
        fill(&block, mark);
        give_back(&memory, block);
    };

    thread::scope(|scope| {
        scope.spawn(|| {
            wait_for(1);
            own(1);
            turn.store(2, Ordering::Relaxed);
            wait_for(3);
        });
        scope.spawn(|| {
            turn.store(1, Ordering::Relaxed);
            wait_for(2);
            own(2);
            turn.store(3, Ordering::Relaxed);
        });
    });
    assert!(!memory.taken.load(Ordering::Relaxed));
}
