//! What the buses of real machines show their devices, each with its source.

use dma_api::{BusMap, DmaAddr, DmaMask, PhysAddr, Window, known};

use crate::map::KSEG_LEN;

/// A device with 24 address lines, such as an ISA DMA controller (the PIIX4's, on Malta).
pub const BITS_24: DmaMask = known(DmaMask::bits(24));

/// A device with 32 address lines, as nearly all are here.
pub const BITS_32: DmaMask = known(DmaMask::bits(32));

/// A bus that shows what KSEG0 shows, where it is: the usual case in a system on a chip.
pub const IDENTITY_KSEG: BusMap<'static> = known(BusMap::new(&[window(0, 0, KSEG_LEN)]));

/// MIPS Malta, QEMU's too: PCI masters see the lower 256 MiB of memory where they are; registers and PCI begin there.
///
/// Source: QEMU, `hw/mips/malta.c` and `hw/pci-host/gt64120.c`.
pub const MALTA_PCI: BusMap<'static> = known(BusMap::new(&[window(0, 0, 0x1000_0000)]));

/// Atheros AR2315 (a 4KEc), its PCI bus: masters see memory through a BAR at 0x2000_0000, up to the next BAR.
///
/// Source: Linux, `arch/mips/pci/pci-ar2315.c`, `AR2315_PCI_HOST_SDRAM_BASEADDR`.
pub const AR2315_PCI: BusMap<'static> = known(BusMap::new(&[window(0, 0x2000_0000, 0x1000_0000)]));

/// Lemote's machines with a Loongson 2F: PCI masters see the lower 256 MiB from 0x8000_0000 on.
///
/// Source: Linux, `arch/mips/loongson2ef/lemote-2f/dma.c`.
pub const LEMOTE_2F_PCI: BusMap<'static> =
    known(BusMap::new(&[window(0, 0x8000_0000, 0x1000_0000)]));

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
        assert_eq!(dma_of(IDENTITY_KSEG, 0x1fff_ffff), Some(0x1fff_ffff));
        assert_eq!(dma_of(IDENTITY_KSEG, 0x2000_0000), None);
        assert_eq!(dma_of(MALTA_PCI, 0x0fff_ffff), Some(0x0fff_ffff));
        assert_eq!(dma_of(MALTA_PCI, 0x1000_0000), None);
        assert_eq!(dma_of(AR2315_PCI, 0x10), Some(0x2000_0010));
        assert_eq!(dma_of(AR2315_PCI, 0x1000_0000), None);
        assert_eq!(dma_of(LEMOTE_2F_PCI, 0x10), Some(0x8000_0010));
        assert_eq!(dma_of(LEMOTE_2F_PCI, 0x1000_0000), None);
    }

    #[test]
    fn masks_are_all_ones() {
        assert_eq!(BITS_24.highest().get(), 0x00ff_ffff);
        assert_eq!(BITS_32.highest().get(), 0xffff_ffff);
    }
}
