//! The one place that chooses how shared state is protected: by a critical section, or, where the processor has
//! compare-and-swap, without one. Nothing is held across a copy or a maintenance loop.
#![expect(
    unsafe_code,
    reason = "a critical section is what makes the cell exclusive"
)]

pub(crate) mod bits;

pub(crate) mod exchange;

pub(crate) mod once;

pub(crate) mod returns;

pub(crate) mod turnstile;

use core::{cell::UnsafeCell, fmt};

/// A value that is only reached inside a critical section; usable in interrupt handlers.
pub(crate) struct Locked<T: ?Sized>(UnsafeCell<T>);

impl<T> Locked<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }
}

impl<T: ?Sized> Locked<T> {
    /// Runs `act` on the value with interrupts off. `act` must be short and must not lock again; every caller is in
    /// this crate and calls nothing that could.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        critical_section::with(|_| {
            // SAFETY: the critical section excludes every other thread and interrupt, and `act` does not come
            // back here, so this is the only reference.
            act(unsafe { &mut *self.0.get() })
        })
    }
}

// SAFETY: the value is handed from thread to thread, one at a time.
unsafe impl<T: Send + ?Sized> Sync for Locked<T> {}

impl<T: ?Sized> fmt::Debug for Locked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locked")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::time::Duration;
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn what_is_locked_is_reached_inside_a_critical_section_only() {
        let (locked, (sender, receiver)) = (Locked::new(7), mpsc::channel());

        thread::scope(|scope| {
            locked.with(|value| {
                scope.spawn(move || critical_section::with(|_| sender.send(()).unwrap()));
                // As long as this section lasts, no other thread comes into one.
                let early = receiver.recv_timeout(Duration::from_millis(200));
                assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout));
                *value += 1;
            });
        });

        assert_eq!(receiver.recv(), Ok(()));
        assert_eq!(locked.with(|value| *value), 8);
        // Nor does printing it come to the value.
        assert_eq!(std::format!("{locked:?}"), "Locked");
    }
}
