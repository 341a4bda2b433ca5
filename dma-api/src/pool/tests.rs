//! What is only seen from inside: somebody is at the books meanwhile.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test calculates, and panics"
)]

extern crate std;

use core::{num::NonZeroUsize, time::Duration};
use std::{
    boxed::Box,
    sync::mpsc,
    thread,
    time::Instant,
    vec::{self, Vec},
};

use super::*;
use crate::pages::{RunState, entries};

const PAGE: usize = 64;
const PAGES: usize = 16;
const PHYS: PhysAddr = PhysAddr::new(0x1_0000);

type Books16 = [PageEntry; entries(PAGES, 2)];

/// Memory that is not zero, for as long as the tests run.
fn memory() -> NonNull<u8> {
    #[repr(align(64))]
    struct Aligned([u8; PAGES * PAGE]);
    let memory = Box::leak(Box::new(Aligned([0xee; PAGES * PAGE])));
    NonNull::from(&mut memory.0).cast()
}

fn adopt(pool: &Pool<Books16>) -> Result<(), Error> {
    let limit = PhysAddr::new(PHYS.get() + 8 * PAGE as u64 - 1);
    let page = Alignment::new(PAGE as u64).unwrap();
    // SAFETY: the memory is leaked, and nobody else's.
    unsafe { pool.adopt(memory(), PHYS, PAGES * PAGE, page, &[limit]) }
}

fn pool() -> Pool<Books16> {
    let pool = Pool::new();
    adopt(&pool).unwrap();
    pool
}

fn pages(count: usize) -> Request {
    Request::anywhere(NonZeroUsize::new(count * PAGE).unwrap())
}

fn free_pages(pool: &Pool<Books16>) -> u64 {
    pool.counts().free / PAGE as u64
}

#[test]
fn whoever_finds_somebody_at_the_books_does_not_wait_if_asked_not_to() {
    let pool = pool();

    pool.books.with(|_| {
        let refused = pool.without_waiting().allocate(&pages(1));
        assert_eq!(refused.map(drop), Err(Error::Busy));
    });

    let block = pool.without_waiting().allocate(&pages(1)).unwrap();
    assert_eq!(block.len_bytes(), PAGE);
    assert_eq!(free_pages(&pool), 15);
    pool.without_waiting().free(block).unwrap();
    assert_eq!(free_pages(&pool), 16);
}

#[test]
fn blocks_given_back_while_somebody_is_at_the_books_are_free_for_whoever_comes_next() {
    type Next = fn(&Pool<Books16>);
    let next: [Next; 8] = [
        |pool| drop(pool.allocate(&pages(16)).unwrap()),
        |pool| drop(pool.without_waiting().allocate(&pages(16)).unwrap()),
        // SAFETY: nobody looks at it.
        |pool| drop(unsafe { pool.allocate_dirty(&pages(16)) }.unwrap()),
        |pool| assert_eq!(pool.lend(&pages(16)).unwrap().len_bytes(), 1024),
        |pool| assert_eq!(free_pages(pool), 16),
        |pool| {
            let states = pool.runs().map(|run| run.state);
            assert!(states.eq([RunState::Free, RunState::Free]));
        },
        |pool| {
            pool.set_patience(3).unwrap();
            pool.books.with(|books| {
                assert_eq!(books.as_ref().unwrap().free_bytes(), 1024);
            });
        },
        |pool| {
            // SAFETY: nothing is lent.
            let found = unsafe { pool.allocate_reclaiming(&pages(16), |_| Err(StillInUse)) };
            assert_eq!(found.unwrap().len_bytes(), 1024);
        },
    ];
    for next in next {
        let pool = pool();
        let blocks: Vec<_> = [3, 5, 1, 2, 4, 1]
            .map(|count| pool.allocate(&pages(count)).unwrap())
            .into();
        pool.books.with(|books| {
            give_all(&pool, blocks.into_iter());
            // Nothing has changed in the books.
            assert_eq!(books.as_ref().unwrap().free_bytes(), 0);
        });
        next(&pool);
    }
}

/// Every second block, then the others.
fn give_all(pool: &Pool<Books16>, mut blocks: vec::IntoIter<Block>) {
    let mut later = Vec::new();
    while let Some(block) = blocks.next() {
        later.extend(blocks.next());
        pool.free(block).unwrap();
    }
    later
        .into_iter()
        .for_each(|block| pool.free(block).unwrap());
}

#[test]
fn a_block_that_waits_to_be_put_back_is_put_back_by_the_next_one_that_is_given_back() {
    let pool = pool();
    let (one, other) = (pool.allocate(&pages(7)), pool.allocate(&pages(9)));

    pool.books.with(|_| pool.free(one.unwrap()).unwrap());
    pool.free(other.unwrap()).unwrap();

    let free = pool
        .books
        .with(|books| books.as_ref().unwrap().free_bytes());
    assert_eq!(free, 1024);
}

#[test]
fn a_block_that_waits_to_be_put_back_is_not_taken_a_second_time() {
    let pool = pool();
    let block = pool.allocate(&pages(3)).unwrap();
    let (memory, phys) = (block.memory(), block.phys().start());
    // SAFETY: it is not; the pool is to refuse it, and nobody uses the bytes.
    let twice = || unsafe { Block::new(memory, phys) }.unwrap();
    let refused = || {
        let refused = pool.free(twice()).unwrap_err();
        refused.error
    };
    let expected = Error::NotAllocated {
        phys: phys.get(),
        len: 3 * PAGE,
    };

    pool.books.with(|_| {
        pool.free(block).unwrap();
        assert_eq!(refused(), expected);
    });

    assert_eq!(refused(), expected);
    assert_eq!(free_pages(&pool), 16);
    assert_eq!(refused(), expected);
}

#[test]
fn a_block_that_waits_to_be_put_back_is_no_part_of_what_is_free_but_has_its_place_in_a_walk() {
    let pool = pool();
    let block = pool.allocate(&pages(3)).unwrap();
    let claimed = pool.claim(&block).unwrap();

    let states: Vec<_> = pool
        .runs()
        .map(|run| (run.state, run.phys.len_bytes()))
        .collect();

    let page = PAGE as u64;
    let expected = [
        (RunState::Free, 8 * page),
        (RunState::Free, 5 * page),
        (RunState::Block, 3 * page),
    ];
    assert_eq!(states, expected);
    assert_eq!((claimed.first, claimed.pages), (13, 3));
}

#[test]
fn whoever_allocates_while_memory_is_being_adopted_gets_it_whole_or_not_at_all() {
    let pool: &'static Pool<Books16> = Box::leak(Box::new(Pool::new()));
    let (sender, receiver) = mpsc::channel();

    // Whoever adopts waits for the books, and has made all the rest.
    pool.books.with(|_| {
        thread::spawn(move || sender.send(adopt(pool)));
        let start = Instant::now();
        while pool.memory.get().is_none() {
            assert!(start.elapsed() < Duration::from_secs(20));
            thread::yield_now();
        }
    });

    assert_eq!(receiver.recv(), Ok(Ok(())));
    assert_eq!(pool.allocate(&pages(16)).unwrap().len_bytes(), 1024);
}
