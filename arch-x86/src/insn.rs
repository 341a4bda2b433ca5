//! The instructions this crate executes, one function each, and the only place that asks what it is compiled for.
//!
//! Where an operating system owns the caches the functions write themselves down instead, so that any test can assert
//! the exact sequence.

cfg_if::cfg_if! {
    if #[cfg(any(unix, windows))] {
        pub mod recorded;
        pub(crate) use recorded::{
            clflush, clflushopt, clwb, compiler_barrier, cpuid, lfence, mfence,
        };
    } else if #[cfg(any(target_arch = "x86", target_arch = "x86_64"))] {
        #[cfg(target_arch = "x86")]
        use core::arch::x86 as intrinsics;
        #[cfg(target_arch = "x86_64")]
        use core::arch::x86_64 as intrinsics;

        mod x86;
        pub(crate) use x86::{clflush, clflushopt, clwb, compiler_barrier, cpuid, lfence, mfence};
    } else {
        compile_error!("arch-x86 has no instructions for this target");
    }
}

/// What CPUID returns in one leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}
