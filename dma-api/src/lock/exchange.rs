//! One change of a shared word that succeeds for one of all who try.

use crate::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Relaxed},
};

/// Replaces `old` by `new`, if that is what is there; of all who try at the same time one succeeds.
#[inline]
pub(crate) fn exchange(word: &AtomicU32, old: u32, new: u32) -> bool {
    #[cfg(target_has_atomic = "32")]
    return word.compare_exchange(old, new, AcqRel, Relaxed).is_ok();
    #[cfg(not(target_has_atomic = "32"))]
    critical_section::with(|_| {
        let same = word.load(Relaxed) == old;
        if same {
            word.store(new, Relaxed);
        }
        same
    })
}
