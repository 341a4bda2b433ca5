//! What the masters of real arm machines reach: masks, and the windows of their buses.

use dma_api::{DmaAddr, DmaMask, PhysAddr, Window, known};

/// A master with 32 address lines: most of those in SoCs, and PCI functions without 64-bit addressing.
pub const BITS_32: DmaMask = known(DmaMask::bits(32));

/// A master with 40 address lines: the widest an Armv7-A (LPAE) or Cortex-A53 bus has.
pub const BITS_40: DmaMask = known(DmaMask::bits(40));

/// A master that drives any address: a PCI function with 64-bit addressing.
pub const BITS_64: DmaMask = known(DmaMask::bits(64));

/// Raspberry Pi 4 (BCM2711): memory as the masters of the legacy peripherals see it, of which it is the first 1 GiB,
/// from `0xc000_0000` on.
///
/// The "30-bit mask" of this machine is the length of the window; the masters drive 32 bits ([`BITS_32`]).
/// (Linux, `arch/arm/boot/dts/broadcom/bcm2711.dtsi`, `dma-ranges` of the nodes `soc` and `emmc2bus`. Firmware rewrites
/// the latter on later revisions of the chip: what the device tree says at boot wins.)
pub const RASPBERRY_PI_4_LEGACY: [Window; 1] = [window(0, 0xc000_0000, 0x4000_0000)];

/// Raspberry Pi 4 (BCM2711): memory as PCIe sees it, of which it is the first 3 GiB, at its physical addresses.
///
/// (The same file, `dma-ranges` of the node `pcie0`: a bug of the wrapper around the PCIe block.)
pub const RASPBERRY_PI_4_PCIE: [Window; 1] = [window(0, 0, 0xc000_0000)];

const fn window(phys: u64, dma: u64, len: u64) -> Window {
    known(Window::new(PhysAddr::new(phys), DmaAddr::new(dma), len))
}

#[cfg(test)]
mod tests {
    use dma_api::{BusMap, Error, PhysRange};

    use super::*;

    fn dma(windows: &[Window], phys: u64, len: u64) -> Result<u64, Error> {
        let wanted = PhysRange::new(PhysAddr::new(phys), len).unwrap();
        Ok(BusMap::new(windows)?.to_dma(wanted)?.start().get())
    }

    #[test]
    fn the_masters_of_a_raspberry_pi_4_reach_what_its_device_tree_says() {
        assert_eq!(dma(&RASPBERRY_PI_4_LEGACY, 0, 16), Ok(0xc000_0000));
        assert_eq!(
            dma(&RASPBERRY_PI_4_LEGACY, 0x3fff_fff0, 16),
            Ok(0xffff_fff0)
        );
        assert!(dma(&RASPBERRY_PI_4_LEGACY, 0x3fff_fff0, 17).is_err());
        assert_eq!(dma(&RASPBERRY_PI_4_PCIE, 0xbfff_fff0, 16), Ok(0xbfff_fff0));
        assert!(dma(&RASPBERRY_PI_4_PCIE, 0xbfff_fff0, 17).is_err());
    }

    #[test]
    fn a_mask_is_all_ones_below_its_number_of_bits() {
        assert_eq!(BITS_32.highest().get(), 0xffff_ffff);
        assert_eq!(BITS_40.highest().get(), 0xff_ffff_ffff);
        assert_eq!(BITS_64.highest().get(), u64::MAX);
    }
}
