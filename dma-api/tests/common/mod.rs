//! A machine for tests that need no simulator: memory of the host, and caches that nobody looks behind.

mod caches;

use core::ptr::NonNull;

use caches::NoCaches;
use dma_api::{
    Alignment, Assembled, BitmapPool, BusMap, DirectMap, Ledger, NoCoherentMemory, Parts, PhysAddr,
    Region, Slot, Window,
};

/// A machine that any number of threads may use at once, which the simulated one is not.
pub(crate) type WithoutCaches =
    Assembled<'static, NoCaches, &'static BitmapPool<8>, NoCoherentMemory>;

/// A machine of `len` bytes, a multiple of 64, whose parts live for ever.
pub(crate) fn without_caches(len: usize) -> &'static WithoutCaches {
    fn leak<T>(value: T) -> &'static T {
        Box::leak(Box::new(value))
    }
    let memory = Box::leak(vec![0_u128; len / 8].into_boxed_slice());
    let start = NonNull::from(&mut memory[..]).cast::<u8>();
    // SAFETY: half of the memory is enough for what is left behind the first multiple of 64.
    let start = unsafe { start.add(start.align_offset(64)) };
    let (phys, unit) = (PhysAddr::new(0x8000_0000), Alignment::new(64).unwrap());
    let pool: &'static BitmapPool<8> = leak(BitmapPool::new());
    // SAFETY: the memory is leaked, and the pool's alone.
    unsafe { pool.adopt(start, phys, len, unit) }.unwrap();
    let parts = Parts {
        sync: NoCaches,
        memory: pool,
        coherent_source: NoCoherentMemory,
        // SAFETY: as above.
        direct_map: DirectMap::one(leak(unsafe { Region::new(start, phys, len) }.unwrap())),
        bus: BusMap::one(leak(Window::identity(phys, len as u64).unwrap())),
        ledger: leak(Ledger::<[Slot; 32]>::new()),
    };
    // SAFETY: they were made for one another.
    leak(unsafe { Assembled::new(parts) })
}
