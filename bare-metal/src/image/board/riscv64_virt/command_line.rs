//! The words of `-append`, kept where S-mode can read them: the device tree is outside its map.
#![expect(unsafe_code, reason = "a buffer that is filled once")]

use core::sync::atomic::{AtomicUsize, Ordering};
use core::{slice, str};

/// Written by [`keep`] once, before anything reads it.
static mut TEXT: [u8; TEXT_ROOM] = [0; TEXT_ROOM];

/// More than any command line needs.
const TEXT_ROOM: usize = 1024;

/// How many bytes of [`TEXT`] are the command line.
static TEXT_LEN: AtomicUsize = AtomicUsize::new(0);

/// Keeps a copy of the words.
///
/// # Safety
///
/// To be called once, by the boot code, before [`command_line`].
pub(super) unsafe fn keep(words: &str) {
    assert!(words.len() <= TEXT_ROOM, "the command line is too long");
    let text = (&raw mut TEXT).cast::<u8>();
    // SAFETY: the words fit, and by this function's contract nobody refers to the static yet.
    unsafe { text.copy_from_nonoverlapping(words.as_ptr(), words.len()) };
    TEXT_LEN.store(words.len(), Ordering::Relaxed);
}

/// The words the host gave.
pub(crate) fn command_line() -> &'static str {
    let text = (&raw const TEXT).cast::<u8>();
    // SAFETY: the static is not written again, and so many bytes of it were written.
    let text = unsafe { slice::from_raw_parts(text, TEXT_LEN.load(Ordering::Relaxed)) };
    // SAFETY: they were copied from a `str`.
    unsafe { str::from_utf8_unchecked(text) }
}
