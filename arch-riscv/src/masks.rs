//! What the buses of real machines show their devices, each with its source.

use dma_api::{BusMap, DmaAddr, DmaMask, PhysAddr, Window, known};

/// A device with 32 address lines, as most are on 32-bit buses.
pub const BITS_32: DmaMask = known(DmaMask::bits(32));

/// A device with 40 address lines, as many DMA engines of 64-bit SoCs are.
pub const BITS_40: DmaMask = known(DmaMask::bits(40));

/// A bus that shows all memory where it is.
pub const IDENTITY: BusMap<'static> = known(BusMap::new(&[window(0, 0, u64::MAX)]));

/// QEMU's `virt` machine: memory from 0x8000_0000 on where it is; every device snoops.
///
/// Source: QEMU, `hw/riscv/virt.c`, `virt_memmap`.
pub const QEMU_VIRT: BusMap<'static> =
    known(BusMap::new(&[window(0x8000_0000, 0x8000_0000, 1 << 39)]));

/// SpacemiT K1, the bus of its DMA controller: the lower 2 GiB where they are, the rest behind a hole that only the
/// CPU sees. Devices do not snoop; blocks have 64 bytes.
///
/// Source: Linux, `arch/riscv/boot/dts/spacemit/k1.dtsi`, node `dma-bus`.
pub const SPACEMIT_K1_DMA: BusMap<'static> = known(BusMap::new(&[
    window(0, 0, 0x8000_0000),
    window(0x1_8000_0000, 0x1_0000_0000, 0x3_0000_0000),
]));

/// SpacemiT K1, the bus of its storage and USB controllers: the lower 2 GiB alone.
///
/// Source: as [`SPACEMIT_K1_DMA`], node `storage-bus`.
pub const SPACEMIT_K1_STORAGE: BusMap<'static> = known(BusMap::new(&[window(0, 0, 0x8000_0000)]));

/// StarFive JH7100, whose devices do not snoop, as Linux divides it: memory where it is, save 16 MiB that the CPU uses
/// by their uncached address only.
///
/// Source: Linux, `arch/riscv/boot/dts/starfive/jh7100-common.dtsi`, `soc/dma-ranges`.
pub const JH7100: BusMap<'static> = known(BusMap::new(&[
    window(0x8000_0000, 0x8000_0000, 0x7a00_0000),
    window(0xfb00_0000, 0xfb00_0000, 0x7_8500_0000),
    window(0x10_7a00_0000, 0xfa00_0000, 0x100_0000),
]));

/// StarFive JH7100: the physical address at which the memory at 0x8000_0000 is seen uncached.
///
/// Source: as [`JH7100`]; the 16 MiB at 0xfa00_0000 are those at 0x10_7a00_0000.
pub const JH7100_UNCACHED: PhysAddr = PhysAddr::new(0x10_0000_0000);

const fn window(phys: u64, dma: u64, len: u64) -> Window {
    known(Window::new(PhysAddr::new(phys), DmaAddr::new(dma), len))
}

#[cfg(test)]
mod tests {
    use dma_api::PhysRange;

    use super::*;

    fn dma_of(bus: BusMap<'_>, phys: u64) -> Option<u64> {
        let byte = PhysRange::new(PhysAddr::new(phys), 1).unwrap();
        bus.to_dma(byte).ok().map(|dma| dma.start().get())
    }

    #[test]
    fn devices_see_memory_where_the_tables_say() {
        assert_eq!(dma_of(QEMU_VIRT, 0x8000_0000), Some(0x8000_0000));
        assert_eq!(dma_of(QEMU_VIRT, 0x7fff_ffff), None);
        let last = 0x80_7fff_ffff;
        assert_eq!(dma_of(QEMU_VIRT, last), Some(last));
        assert_eq!(dma_of(QEMU_VIRT, last + 1), None);

        assert_eq!(dma_of(IDENTITY, 0), Some(0));
        assert_eq!(dma_of(IDENTITY, u64::MAX - 1), Some(u64::MAX - 1));

        assert_eq!(dma_of(SPACEMIT_K1_DMA, 0x7fff_ffff), Some(0x7fff_ffff));
        assert_eq!(dma_of(SPACEMIT_K1_DMA, 0x8000_0000), None);
        assert_eq!(dma_of(SPACEMIT_K1_DMA, 0x1_8000_0000), Some(0x1_0000_0000));
        assert_eq!(dma_of(SPACEMIT_K1_DMA, 0x4_8000_0000), None);
        assert_eq!(dma_of(SPACEMIT_K1_STORAGE, 0x8000_0000), None);
    }

    #[test]
    fn the_uncached_pool_of_a_jh7100_is_the_alias_of_memory_the_cpu_does_not_use_cached() {
        let uncached = JH7100_UNCACHED.get() + (0xfa00_0000 - 0x8000_0000);

        assert_eq!(dma_of(JH7100, uncached), Some(0xfa00_0000));
        assert_eq!(dma_of(JH7100, 0xfa00_0000), None);
        assert_eq!(dma_of(JH7100, 0xf9ff_ffff), Some(0xf9ff_ffff));
        assert_eq!(dma_of(JH7100, 0xfaff_ffff), None);
        assert_eq!(dma_of(JH7100, 0xfb00_0000), Some(0xfb00_0000));
        assert_eq!(dma_of(JH7100, 0x8_7fff_ffff), Some(0x8_7fff_ffff));
        assert_eq!(dma_of(JH7100, 0x8_8000_0000), None);
    }

    #[test]
    fn masks_are_all_ones() {
        assert_eq!(BITS_32.highest().get(), 0xffff_ffff);
        assert_eq!(BITS_40.highest().get(), 0xff_ffff_ffff);
    }
}
