//! A value that is put in place once, and read without waiting from then on.
#![expect(unsafe_code, reason = "a value that is shared without a lock")]

use core::{cell::UnsafeCell, fmt};

use super::Locked;
use crate::{
    atomic::{AtomicBool, Ordering},
    error::Error,
};

/// A value that is not there at first.
pub(crate) struct Once<T> {
    /// Whether somebody makes the value, or has made it.
    claimed: Locked<bool>,
    /// Invariant: once it is `true`, `value` is there and is never written again.
    there: AtomicBool,
    value: UnsafeCell<Option<T>>,
}

impl<T> Once<T> {
    pub(crate) const fn new() -> Self {
        Self {
            claimed: Locked::new(false),
            there: AtomicBool::new(false),
            value: UnsafeCell::new(None),
        }
    }

    /// The value, if it is there.
    pub(crate) fn get(&self) -> Option<&T> {
        if !self.there.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: the invariant of `there`, and the load has seen the value stored before.
        unsafe { &*self.value.get() }.as_ref()
    }

    /// Puts in place what `make` makes, outside of any critical section.
    ///
    /// # Errors
    /// [`Error::PoolInUse`] if that was done before or is being done; those of `make`, after which it may be tried again.
    pub(crate) fn put(&self, make: impl FnOnce() -> Result<T, Error>) -> Result<&T, Error> {
        let claimed = self
            .claimed
            .with(|claimed| core::mem::replace(claimed, true));
        if claimed {
            return Err(Error::PoolInUse);
        }
        match make() {
            Ok(value) => {
                // SAFETY: the claim is this call's alone, and nobody reads the value before it is there.
                unsafe { *self.value.get() = Some(value) };
                self.there.store(true, Ordering::Release);
                self.get().ok_or(Error::PoolInUse)
            }
            Err(error) => {
                self.claimed.with(|claimed| *claimed = false);
                Err(error)
            }
        }
    }

    /// The value, out of its place.
    pub(crate) fn take(&mut self) -> Option<T> {
        *self.there.get_mut() = false;
        self.value.get_mut().take()
    }
}

// SAFETY: the value is written once, before any thread can read it, and then only read.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn a_value_is_put_in_place_once_and_after_a_failure_again() {
        let mut once = Once::new();

        assert_eq!(once.get(), None);
        assert_eq!(once.put(|| Err(Error::ZeroLength)), Err(Error::ZeroLength));
        assert_eq!(once.get(), None);
        assert_eq!(once.put(|| Ok(7)), Ok(&7));
        assert_eq!(once.put(|| Ok(8)), Err(Error::PoolInUse));
        assert_eq!(once.get(), Some(&7));
        assert_eq!((once.take(), once.get()), (Some(7), None));
        assert_eq!(std::format!("{once:?}"), "Once");
    }

    #[test]
    fn a_value_is_not_read_while_it_is_being_put_in_place() {
        let once = Once::new();
        // SAFETY: nobody else is there.
        unsafe { *once.value.get() = Some(7) };

        assert_eq!(once.get(), None);
    }

    #[test]
    fn a_value_that_is_being_made_is_neither_there_nor_made_by_another() {
        let once = Once::new();

        let made = once.put(|| {
            assert_eq!(once.get(), None);
            assert_eq!(once.put(|| Ok(8)), Err(Error::PoolInUse));
            Ok(7)
        });

        assert_eq!(made, Ok(&7));
    }
}
