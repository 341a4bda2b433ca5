//! Memory that an x86 kernel maps uncached for good.
#![expect(unsafe_code, reason = "mappings are promised by their makers")]

use dma_api::{DmaAllocator, UncachedMemory};

/// Coherent memory for a device that does not snoop: a pool that is mapped uncached or write-combining.
pub type Uncached<A> = UncachedMemory<A>;

/// Makes a pool that the operating system has mapped uncached (UC) or write-combining (WC) coherent memory for devices
/// that do not snoop. Devices that do need none: for them cached memory is coherent.
///
/// # Safety
/// For as long as the value exists:
/// * every mapping of the pool's memory, on every processor, has the same effective memory type, UC or WC (page
///   attributes and MTRRs together: SDM volume 3, "Selecting Memory Types"). The manual forbids aliases of different
///   types (the same, "Programming the PAT"), so the direct map must be changed too;
/// * no cache holds a line of it: the change followed the SDM's sequence, TLBs and caches included;
/// * if it is WC, the machine's [`DmaSync`](dma_api::DmaSync) is [`FlushedCaches`](crate::FlushedCaches) or
///   [`SnoopedWithWriteCombining`](crate::SnoopedWithWriteCombining), whose barriers order it.
pub const unsafe fn uncached<A: DmaAllocator>(pool: A) -> Uncached<A> {
    // SAFETY: uncached in every mapping and in no cache, by this function's contract.
    unsafe { UncachedMemory::new(pool) }
}
