//! Memory that an arm kernel maps Non-cacheable for good.
#![expect(unsafe_code, reason = "mappings are promised by their makers")]

use dma_api::{DmaAllocator, UncachedMemory};

/// Coherent memory on a machine whose devices do not snoop: a pool that is mapped Normal Non-cacheable.
pub type NonCacheable<A> = UncachedMemory<A>;

/// Makes a pool that the board has mapped Normal Non-cacheable the machine's coherent memory.
///
/// It must be *Normal*: Device memory faults on the unaligned and multiple accesses that Rust makes of it, and on the
/// DC ZVA that may zero it.
///
/// # Safety
/// For as long as the value exists:
/// * every mapping of the pool's memory, in every core's translation tables and those of other exception levels, is
///   Normal, Inner and Outer Non-cacheable. A cacheable mapping beside it, even one that is never accessed, is a
///   mismatched attribute that costs coherency (DDI 0487 B2, "Mismatched memory attributes"): speculation fills
///   lines through it. The block or page entries of the linear map must be changed or removed;
/// * no cache holds a line of it: between the last cacheable mapping and now it was cleaned and invalidated to the
///   point of coherency by address, and the maintenance completed;
/// * the device does not snoop: one that does may hit what the caches hold.
pub const unsafe fn non_cacheable<A: DmaAllocator>(pool: A) -> NonCacheable<A> {
    // SAFETY: Normal Non-cacheable in every mapping and in no cache, by this function's contract.
    unsafe { UncachedMemory::new(pool) }
}
