//! The same functions on an operating system: each thread writes down what it would have executed.
#![expect(unsafe_code, reason = "signatures are those of the real instructions")]

use core::{cell::RefCell, hint::black_box, ptr::NonNull};

/// One instruction, with the address of the block it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Executed {
    /// `cbo.clean`.
    CboClean(usize),
    /// `cbo.flush`.
    CboFlush(usize),
    /// `cbo.inval`.
    CboInval(usize),
    /// `fence iorw, iorw`.
    FenceIorwIorw,
    /// `fence rw, ow`.
    FenceRwOw,
    /// `fence ir, rw`.
    FenceIrRw,
}

std::thread_local! {
    static TRANSCRIPT: RefCell<Vec<Executed>> = const { RefCell::new(Vec::new()) };
}

/// What this thread has executed since it last asked, in order.
///
/// The transcript grows until somebody asks.
#[must_use = "what was executed is not told again"]
pub fn executed() -> Vec<Executed> {
    TRANSCRIPT.take()
}

fn record(instruction: Executed) {
    TRANSCRIPT.with_borrow_mut(|transcript| transcript.push(instruction));
}

/// Records [`Executed::CboClean`].
pub fn cbo_clean(block: *mut u8) {
    record(Executed::CboClean(block.addr()));
}

/// Records [`Executed::CboFlush`].
pub fn cbo_flush(block: *mut u8) {
    record(Executed::CboFlush(block.addr()));
}

/// Records [`Executed::CboInval`].
///
/// # Safety
/// Stores to the block that have not reached memory would be lost. The whole block belongs to the caller, who does
/// without them.
pub unsafe fn cbo_inval(block: *mut u8) {
    record(Executed::CboInval(block.addr()));
}

/// Records [`Executed::FenceIorwIorw`].
pub fn fence_iorw_iorw() {
    record(Executed::FenceIorwIorw);
}

/// Records [`Executed::FenceRwOw`].
pub fn fence_rw_ow() {
    record(Executed::FenceRwOw);
}

/// Records [`Executed::FenceIrRw`].
pub fn fence_ir_rw() {
    record(Executed::FenceIrRw);
}

/// No instruction, so nothing is recorded: from here on the compiler must believe that others know the address.
pub fn escape(memory: NonNull<u8>) {
    black_box(memory);
}
