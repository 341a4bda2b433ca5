//! A value for one at a time, others waiting or going on without: a spin lock of its own where the processor has
//! compare-and-swap, a critical section where it has not.
#![expect(
    unsafe_code,
    reason = "whoever holds the turnstile has the value alone"
)]

use core::{cell::UnsafeCell, fmt};

use crate::atomic::{self, AtomicU32, Ordering};

/// Nobody holds it.
const FREE: u32 = 0;
/// Somebody does.
const HELD: u32 = 1;

/// A value that one CPU at a time reaches.
///
/// Unlike [`Locked`](super::Locked) it leaves interrupts on. What interrupts its holder must not wait for it.
pub(crate) struct Turnstile<T> {
    held: AtomicU32,
    value: UnsafeCell<T>,
}

impl<T> Turnstile<T> {
    pub(crate) const fn new(held: AtomicU32, value: T) -> Self {
        Self {
            held,
            value: UnsafeCell::new(value),
        }
    }

    /// Waits until nobody holds it, and runs `act` on the value. `act` is short and does not come back here.
    #[inline]
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        let mut act = act;
        loop {
            match self.try_with(act) {
                Ok(result) => return result,
                Err(again) => act = again,
            }
            while self.held.load(Ordering::Relaxed) == HELD {
                atomic::spin();
            }
        }
    }

    /// Runs `act` on the value, or returns it if somebody holds the value.
    #[inline]
    pub(crate) fn try_with<R, F: FnOnce(&mut T) -> R>(&self, act: F) -> Result<R, F> {
        self.alone(act)
    }

    #[cfg(target_has_atomic = "32")]
    #[inline]
    fn alone<R, F: FnOnce(&mut T) -> R>(&self, act: F) -> Result<R, F> {
        let free = self
            .held
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed);
        if free.is_err() {
            return Err(act);
        }
        // SAFETY: this call changed `FREE` to `HELD`, so nobody else has the value until it changes it back.
        let result = act(unsafe { &mut *self.value.get() });
        self.held.store(FREE, Ordering::Release);
        Ok(result)
    }

    #[cfg(not(target_has_atomic = "32"))]
    fn alone<R, F: FnOnce(&mut T) -> R>(&self, act: F) -> Result<R, F> {
        critical_section::with(|_| {
            if self.held.load(Ordering::Relaxed) == HELD {
                return Err(act);
            }
            self.held.store(HELD, Ordering::Relaxed);
            // SAFETY: the critical section excludes every other thread and interrupt, and `act` does not come back
            // here: `HELD` would stop it.
            let result = act(unsafe { &mut *self.value.get() });
            self.held.store(FREE, Ordering::Relaxed);
            Ok(result)
        })
    }
}

// SAFETY: the value is handed from thread to thread, one at a time.
unsafe impl<T: Send> Sync for Turnstile<T> {}

impl<T> fmt::Debug for Turnstile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turnstile")
    }
}
