//! What the emulator does for the image when asked: its command line, and its end.
//!
//! Arm's "Semihosting for AArch32 and AArch64", under the operations' names.
//! QEMU needs `-semihosting-config enable=on,target=native`.
#![expect(unsafe_code, reason = "semihosting calls, and a buffer they fill")]

use core::sync::atomic::{AtomicUsize, Ordering};
use core::{slice, str};

/// Fills a buffer with the command line.
const SYS_GET_CMDLINE: usize = 0x15;

/// The reason for an end that carries an exit code.
pub(crate) const ADP_STOPPED_APPLICATION_EXIT: usize = 0x2_0026;

/// One request: an operation with a block of two words, which all have that are used here.
///
/// # Safety
///
/// The block must be what the operation asks for, and what it points to valid for what the operation does.
pub(crate) type Call = unsafe fn(operation: usize, block: &mut [usize; 2]) -> usize;

/// Written by [`keep_command_line`] once, before anything reads it.
static mut TEXT: [u8; TEXT_ROOM] = [0; TEXT_ROOM];

/// More than any command line needs.
const TEXT_ROOM: usize = 1024;

/// How many bytes of [`TEXT`] are the command line.
static TEXT_LEN: AtomicUsize = AtomicUsize::new(0);

/// Asks for the command line and keeps it.
///
/// # Safety
///
/// To be called once, by the boot code, before [`command_line`]. `call` does what [`Call`] says.
pub(crate) unsafe fn keep_command_line(call: Call) {
    let text = &raw mut TEXT;
    let mut block = [text.expose_provenance(), TEXT_ROOM];
    // SAFETY: the block is the one SYS_GET_CMDLINE takes: a buffer and its length. The buffer
    // is a static's, which by this function's contract nobody refers to yet.
    let status = unsafe { call(SYS_GET_CMDLINE, &mut block) };
    assert_eq!(status, 0, "no command line, or one too long");
    TEXT_LEN.store(block[1], Ordering::Relaxed);
}

/// The words the host gave with `arg=`, without the first, which is the image's name.
pub(crate) fn command_line() -> &'static str {
    let text = (&raw const TEXT).cast::<u8>();
    // SAFETY: the static is not written again, and QEMU's length is less than that of the buffer.
    let text = unsafe { slice::from_raw_parts(text, TEXT_LEN.load(Ordering::Relaxed)) };
    let text = str::from_utf8(text).expect("the command line is UTF-8");
    text.split_once(' ').map_or("", |(_image, words)| words)
}

/// Ends the emulator with this exit code, by an operation that takes a reason and a code.
///
/// # Safety
///
/// `operation` is one, and `call` does what [`Call`] says.
pub(crate) unsafe fn exit(call: Call, operation: usize, code: u8) -> ! {
    let mut block = [ADP_STOPPED_APPLICATION_EXIT, usize::from(code)];
    // SAFETY: the block is the one the operation takes, by this function's contract, and nothing is written.
    unsafe { call(operation, &mut block) };
    loop {
        core::hint::spin_loop();
    }
}
