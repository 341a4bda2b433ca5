//! The bits of a reserve under every interleaving of a few threads: the library's own file, compiled with the atomics of a
//! model checker, which runs on this architecture.
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
}

#[path = "../src/lock/bits/atomic_bits.rs"]
mod atomic_bits;

#[path = "../src/lock/bits/words.rs"]
mod words;

use atomic::AtomicU32;
use atomic_bits::AtomicBits;
use loom::{cell::UnsafeCell, sync::Arc, thread};

/// Things of which each may be touched by its owner alone, and the bits of the free ones.
struct Things<const WORDS: usize> {
    bits: AtomicBits<WORDS>,
    things: Vec<UnsafeCell<usize>>,
}

impl<const WORDS: usize> Things<WORDS> {
    /// `free` is the bits of each word.
    fn new(free: [u32; WORDS]) -> Arc<Self> {
        Arc::new(Self {
            bits: AtomicBits::from_words(free.map(AtomicU32::new)),
            things: (0..32 * WORDS).map(|_| UnsafeCell::new(0)).collect(),
        })
    }

    /// Takes one and changes it: the checker sees if somebody else does so, or did so and it is not known here.
    fn take(&self) -> Option<usize> {
        let bit = self.bits.take(&(0..32 * WORDS))?;
        self.things[bit].with_mut(|thing| {
            // SAFETY: the bit is this thread's, which the checker checks.
            unsafe { *thing += 1 };
        });
        Some(bit)
    }

    fn give(&self, bit: usize) {
        assert!(self.bits.give(bit), "{bit} is nobody else's to give");
    }
}

#[test]
fn two_threads_that_take_and_give_never_own_the_same_and_lose_nothing() {
    loom::model(|| {
        let things = Things::new([0b11]);
        let run = |things: Arc<Things<1>>| {
            move || {
                for _ in 0..2 {
                    let bit = things.take().expect("there is one for each");
                    things.give(bit);
                }
            }
        };
        let other = thread::spawn(run(things.clone()));
        run(things.clone())();
        other.join().unwrap();
        assert_eq!(things.bits.count(), 2);
    });
}

#[test]
fn of_three_threads_that_want_one_of_two_two_get_one() {
    loom::model(|| {
        let things = Things::new([0b1, 0b1 << 31]);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let things = things.clone();
                thread::spawn(move || things.take())
            })
            .collect();
        let mut taken = vec![things.take()];
        taken.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        taken.sort_unstable();
        assert_eq!(taken, [None, Some(0), Some(63)]);
        assert_eq!(things.bits.count(), 0);
    });
}

#[test]
fn what_one_gives_another_takes_with_all_that_was_done_to_it() {
    loom::model(|| {
        let things = Things::new([0b1]);
        let mine = things.take().unwrap();
        let other = {
            let things = things.clone();
            thread::spawn(move || things.take().map(|bit| things.give(bit)).is_some())
        };
        things.give(mine);
        let again = things.take().map(|bit| things.give(bit)).is_some();
        let others = other.join().unwrap();
        assert!(again || others);
        assert_eq!(things.bits.count(), 1);
    });
}

#[test]
fn of_two_threads_that_give_the_same_one_is_told_that_it_was_there() {
    loom::model(|| {
        let things = Things::new([0]);
        let other = {
            let things = things.clone();
            thread::spawn(move || things.bits.give(5))
        };
        let mine = things.bits.give(5);
        assert!(mine ^ other.join().unwrap());
        assert_eq!(things.bits.count(), 1);
    });
}
