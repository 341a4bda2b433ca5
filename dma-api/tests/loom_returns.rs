//! The turnstile of a pool's books and the list of what is given back meanwhile, under every interleaving of a few threads:
//! the library's own files, compiled with the atomics of a model checker, which runs on this architecture.
#![cfg(target_arch = "x86_64")]
#![expect(unsafe_code, reason = "owners touch what is theirs")]
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test needs not all of it"
)]

mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};
    pub(crate) use loom::thread::yield_now as spin;
}

#[path = "../src/lock/exchange.rs"]
mod exchange;

#[path = "../src/lock/returns.rs"]
mod returns;

#[path = "../src/lock/turnstile.rs"]
mod turnstile;

use atomic::{AtomicU32, Ordering::Relaxed};
use exchange::exchange;
use loom::{cell::UnsafeCell, sync::Arc, thread};
use returns::{END, Returns, linked};
use turnstile::Turnstile;

/// What a block's entry says: it is handed out, or it is being given back.
const TAKEN: u32 = 4;
const RETURNED: u32 = 5;

/// A block that nobody reaches but its owner, and its two words in the books.
struct Block {
    state: AtomicU32,
    next: AtomicU32,
    memory: UnsafeCell<u32>,
}

/// Blocks that are handed out, and those in the books that are free. It does with them what a pool does.
struct Pool {
    books: Turnstile<UnsafeCell<Vec<usize>>>,
    returns: Returns,
    blocks: Vec<Block>,
}

impl Pool {
    fn new(blocks: usize) -> Arc<Self> {
        let block = || Block {
            state: AtomicU32::new(TAKEN),
            next: AtomicU32::new(END),
            memory: UnsafeCell::new(0),
        };
        Arc::new(Self {
            books: Turnstile::new(AtomicU32::new(0), UnsafeCell::new(Vec::new())),
            returns: Returns::new(AtomicU32::new(END)),
            blocks: (0..blocks).map(|_| block()).collect(),
        })
    }

    /// Writes to a block, and gives it back. Says whether it was its to give.
    fn free(&self, number: usize) -> bool {
        let block = &self.blocks[number];
        if !exchange(&block.state, TAKEN, RETURNED) {
            return false;
        }
        self.write(number);
        let given = self.books.try_with(|books| {
            self.put_back(books);
            self.put(books, number);
        });
        if given.is_err() {
            let number = u32::try_from(number).expect("there are few");
            let link = |next| block.next.store(next, Relaxed);
            self.returns.push(number, link);
        }
        true
    }

    /// The checker sees if somebody else does so too, or did so and it is not known here.
    fn write(&self, number: usize) {
        self.blocks[number].memory.with_mut(|memory| {
            // SAFETY: the block is this thread's, which the checker checks.
            unsafe { *memory += 1 };
        });
    }

    fn put(&self, books: &UnsafeCell<Vec<usize>>, number: usize) {
        self.write(number);
        books.with_mut(|free| {
            // SAFETY: whoever is at the books is alone there, which the checker checks.
            unsafe { (*free).push(number) };
        });
    }

    fn put_back(&self, books: &UnsafeCell<Vec<usize>>) {
        let mut link = self.returns.take_all();
        while let Some(first) = linked(link) {
            let number = usize::try_from(first).expect("there are few");
            link = self.blocks[number].next.load(Relaxed);
            self.put(books, number);
        }
    }

    /// The free blocks, when all that was given back is.
    fn free_blocks(&self) -> Vec<usize> {
        self.books.with(|books| {
            self.put_back(books);
            books.with(|free| {
                // SAFETY: as in `put`.
                unsafe { (*free).clone() }
            })
        })
    }
}

fn sorted(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers
}

/// Threads that do as they are told with one pool, each the first thing of its list and so on.
fn run(blocks: usize, threads: &'static [&'static [usize]], meanwhile: fn(&Pool)) {
    loom::model(move || {
        let pool = Pool::new(blocks);
        let others: Vec<_> = threads
            .iter()
            .map(|numbers| {
                let pool = pool.clone();
                thread::spawn(move || {
                    for number in *numbers {
                        assert!(pool.free(*number), "{number} is nobody else's to give");
                    }
                })
            })
            .collect();
        meanwhile(&pool);
        others
            .into_iter()
            .for_each(|one| one.join().expect("it ends"));
        let all: Vec<_> = (0..blocks).collect();
        assert_eq!(sorted(pool.free_blocks()), all);
    });
}

#[test]
fn what_two_threads_give_back_while_a_third_is_at_the_books_is_free_once_each() {
    run(2, &[&[0], &[1]], |pool| {
        let free = sorted(pool.free_blocks());
        assert!([&[][..], &[0], &[1], &[0, 1]].contains(&&free[..]));
    });
}

#[test]
fn what_one_thread_gives_back_one_after_the_other_is_free_in_its_order_or_not_yet() {
    run(2, &[&[0, 1]], |pool| {
        for _ in 0..2 {
            let free = sorted(pool.free_blocks());
            assert!([&[][..], &[0], &[0, 1]].contains(&&free[..]));
        }
    });
}

#[test]
fn all_give_back_and_nobody_waits() {
    run(3, &[&[0], &[1]], |pool| assert!(pool.free(2)));
}

#[test]
fn of_two_who_give_the_same_back_one_is_refused() {
    loom::model(|| {
        let pool = Pool::new(1);
        let other = {
            let pool = pool.clone();
            thread::spawn(move || pool.free(0))
        };
        let mine = pool.free(0);
        assert!(mine ^ other.join().unwrap());
        assert_eq!(pool.free_blocks(), [0]);
    });
}

#[test]
fn whoever_waits_at_the_turnstile_comes_after_whoever_was_there() {
    loom::model(|| {
        let books = Arc::new(Turnstile::new(AtomicU32::new(0), UnsafeCell::new(0)));
        let pass = |books: &Turnstile<UnsafeCell<u32>>| {
            books.with(|count| {
                count.with_mut(|count| {
                    // SAFETY: one at a time, which the checker checks.
                    unsafe { *count += 1 };
                });
            });
        };
        let other = {
            let books = books.clone();
            thread::spawn(move || pass(&books))
        };
        pass(&books);
        other.join().unwrap();
        // SAFETY: nobody else is there.
        let count = books.with(|count| count.with(|count| unsafe { *count }));
        assert_eq!(count, 2);
    });
}

#[test]
fn nobody_is_refused_by_a_turnstile_that_nobody_is_at() {
    loom::model(|| {
        let books = Arc::new(Turnstile::new(AtomicU32::new(0), ()));
        let other = {
            let books = books.clone();
            thread::spawn(move || books.try_with(|()| ()).is_ok())
        };
        let mine = books.try_with(|()| {
            let again = books.try_with(|()| ());
            assert!(again.is_err());
        });
        let others = other.join().unwrap();
        assert!(mine.is_ok() || others);
        assert!(books.try_with(|()| ()).is_ok());
    });
}
