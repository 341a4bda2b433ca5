//! The same functions on a hosted operating system: each thread has a transcript of what it would have executed.
//!
//! ```
//! use arch_x86::FlushedCaches;
//! use arch_x86::recorded::{Executed, SKYLAKE_SP, executed, set_cpuid};
//! use dma_api::DmaSync;
//!
//! set_cpuid(&SKYLAKE_SP);
//! // SAFETY: nothing is maintained.
//! let caches = unsafe { FlushedCaches::probe() }?;
//! caches.complete();
//! assert_eq!(executed(), [Executed::Mfence]);
//! # Ok::<(), dma_api::Error>(())
//! ```

use core::{cell::RefCell, hint::black_box};
use std::thread_local;

use super::Leaf;

/// One instruction of the transcript; cache maintenance with the address it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Executed {
    /// CLFLUSH: clean and invalidate.
    Clflush(usize),
    /// CLFLUSHOPT: clean and invalidate.
    Clflushopt(usize),
    /// CLWB: clean.
    Clwb(usize),
    /// MFENCE.
    Mfence,
    /// LFENCE.
    Lfence,
}

/// The leaves 0 to 7 of a Xeon of the Skylake generation, as far as this crate reads them: lines of 64 bytes,
/// CLFLUSHOPT and CLWB (SDM volume 2, "CPUID", leaves 0, 1 and 7).
pub const SKYLAKE_SP: [Leaf; 8] = {
    let none = Leaf {
        eax: 0,
        ebx: 0,
        ecx: 0,
        edx: 0,
    };
    let highest = Leaf { eax: 0x16, ..none };
    let version = Leaf {
        eax: 0x0005_0654,
        ebx: 0x0010_0800,
        edx: 0xbfeb_fbff,
        ..none
    };
    let features = Leaf {
        ebx: 0xd39f_fffb,
        ..none
    };
    [highest, version, none, none, none, none, none, features]
};

thread_local! {
    static TRANSCRIPT: RefCell<Vec<Executed>> = const { RefCell::new(Vec::new()) };
    static CPUID: RefCell<Vec<Leaf>> = RefCell::new(SKYLAKE_SP.to_vec());
}

/// What this thread has executed since it last asked, in order.
#[must_use = "the transcript is gone once it was asked for"]
pub fn executed() -> Vec<Executed> {
    TRANSCRIPT.take()
}

/// Sets what this thread reads from CPUID from now on, by leaf; [`SKYLAKE_SP`] until then. Leaves behind the last
/// read as the last does, as on Intel processors (SDM volume 2, "CPUID").
pub fn set_cpuid(leaves: &[Leaf]) {
    CPUID.replace(leaves.to_vec());
}

fn record(instruction: Executed) {
    TRANSCRIPT.with_borrow_mut(|transcript| transcript.push(instruction));
}

pub(crate) fn compiler_barrier(memory: *mut u8) {
    black_box(memory);
}

pub(crate) fn clflush(line: *mut u8) {
    record(Executed::Clflush(black_box(line).addr()));
}

pub(crate) fn clflushopt(line: *mut u8) {
    record(Executed::Clflushopt(black_box(line).addr()));
}

pub(crate) fn clwb(line: *mut u8) {
    record(Executed::Clwb(black_box(line).addr()));
}

pub(crate) fn mfence() {
    record(Executed::Mfence);
}

pub(crate) fn lfence() {
    record(Executed::Lfence);
}

pub(crate) fn cpuid(leaf: u32) -> Leaf {
    CPUID.with_borrow(|leaves| {
        let at = usize::try_from(leaf).unwrap_or(usize::MAX);
        leaves
            .get(at)
            .or(leaves.last())
            .copied()
            .unwrap_or_default()
    })
}
