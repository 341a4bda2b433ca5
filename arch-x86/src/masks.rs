//! What the masters of a PC reach: masks, and the limits of its oldest DMA controller.

use dma_api::{DmaMask, Limits, known};

/// ISA: 24 address lines (Intel 82371AB (PIIX4) datasheet, "DMA Controller").
pub const ISA: DmaMask = known(DmaMask::bits(24));

/// PCI and PCIe functions without 64-bit addressing (PCI Local Bus Specification 3.0, 3.1.1 and 3.9).
pub const PCI_32: DmaMask = known(DmaMask::bits(32));

/// PCI and PCIe functions with 64-bit addressing.
pub const PCI_64: DmaMask = known(DmaMask::bits(64));

/// The channels 0 to 3 of the ISA controller, which move bytes: the page register holds A23 to A16 and does not count,
/// so no transfer crosses a multiple of 64 KiB.
pub const ISA_BYTES: Limits = isa(1, 1 << 16);

/// The channels 5 to 7 of the ISA controller, which move words of two bytes: addresses are even, and no transfer
/// crosses a multiple of 128 KiB.
pub const ISA_WORDS: Limits = isa(2, 1 << 17);

const fn isa(alignment: u64, page: u64) -> Limits {
    let aligned = known(Limits::new(ISA).alignment(alignment));
    known(known(aligned.boundary(page)).max_segment_len(page))
}

#[cfg(test)]
mod tests {
    use dma_api::{DmaAddr, DmaRange, Error};

    use super::*;

    fn segment(first: u64, len: u64) -> DmaRange {
        DmaRange::new(DmaAddr::new(first), len).unwrap()
    }

    #[test]
    fn a_mask_is_all_ones_below_its_number_of_bits() {
        assert_eq!(ISA.highest().get(), 0xff_ffff);
        assert_eq!(PCI_32.highest().get(), 0xffff_ffff);
        assert_eq!(PCI_64.highest().get(), u64::MAX);
    }

    #[test]
    fn the_isa_controller_counts_within_its_page() {
        assert_eq!(ISA_BYTES.check(segment(0xff_0001, 0xffff)), Ok(()));
        for first in [0x8000, 0x1_8000] {
            assert!(matches!(
                ISA_BYTES.check(segment(first, 0x8001)),
                Err(Error::CrossesBoundary { .. })
            ));
        }
        assert!(matches!(
            ISA_BYTES.check(segment(0, 0x1_0001)),
            Err(Error::SegmentTooLong { max: 0x1_0000, .. })
        ));
        assert!(matches!(
            ISA_BYTES.check(segment(0x100_0000, 1)),
            Err(Error::AboveHighest { .. })
        ));
        assert_eq!(ISA_WORDS.check(segment(0x1_8000, 0x8000)), Ok(()));
        assert_eq!(ISA_WORDS.check(segment(0x2_0000, 0x2_0000)), Ok(()));
        assert!(matches!(
            ISA_WORDS.check(segment(0x1_8000, 0x8001)),
            Err(Error::CrossesBoundary { .. })
        ));
        assert!(matches!(
            ISA_WORDS.check(segment(0x2_0001, 2)),
            Err(Error::Misaligned { .. })
        ));
    }
}
