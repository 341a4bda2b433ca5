//! The virtio disks of PCI bus 0, in bus order, as transports a virtio-drivers device can be made of.
//!
//! A disk is found by what it says it is (vendor 0x1af4, device 0x1001 transitional or 0x1042 modern: Virtio 1.2,
//! section 4.1.2), and is always driven through its modern interface, which needs memory BARs only.

use virtio_drivers::{
    Hal,
    transport::{
        DeviceType,
        pci::{
            PciTransport,
            bus::{BarInfo, Command, ConfigurationAccess, DeviceFunction, PciRoot},
            virtio_device_type,
        },
    },
};

/// What one device may claim; a virtio-blk function of QEMU claims 16 KiB of it.
const SPACE_PER_DEVICE: u32 = 1 << 20;

/// The `index`-th virtio disk of bus 0, able to master the bus, or `None` if there are not that many.
///
/// Where no firmware has placed the memory BARs, `place_bars_from` is a PCI address: device `d` of the bus gets the
/// `d`-th [`SPACE_PER_DEVICE`] bytes from there on.
///
/// Call it again for the same disk only after the transport it gave before is gone.
///
/// # Panics
///
/// If the function found has BARs or capabilities that the Virtio standard does not allow.
pub(super) fn disk<H: Hal, C: ConfigurationAccess>(
    access: C,
    place_bars_from: Option<u32>,
    index: usize,
) -> Option<PciTransport> {
    let mut root = PciRoot::new(access);
    let (function, _) = root
        .enumerate_bus(0)
        .filter(|(_, info)| virtio_device_type(info) == Some(DeviceType::Block))
        .nth(index)?;

    if let Some(base) = place_bars_from {
        place_bars(&mut root, function, base);
    }
    root.set_command(function, Command::MEMORY_SPACE | Command::BUS_MASTER);

    Some(
        PciTransport::new::<H, C>(&mut root, function)
            .expect("a virtio disk has a modern interface"),
    )
}

/// Places every memory BAR of `function` at a multiple of its size (PCI Local Bus 3.0, section 6.2.5.1).
///
/// I/O BARs stay unplaced: their decoding is never enabled.
fn place_bars<C: ConfigurationAccess>(root: &mut PciRoot<C>, function: DeviceFunction, base: u32) {
    let mut next = base + u32::from(function.device) * SPACE_PER_DEVICE;
    let end = next + SPACE_PER_DEVICE;

    let bars = root.bars(function).expect("a BAR has a type that exists");
    for (index, bar) in (0..).zip(&bars) {
        let Some(bar @ BarInfo::Memory { size, .. }) = bar else {
            continue;
        };
        let size = u32::try_from(*size).expect("a BAR of a disk is small");
        let address = next.next_multiple_of(size);
        next = address + size;
        assert!(
            next <= end,
            "the BARs of {function} need more than {SPACE_PER_DEVICE} bytes"
        );

        if bar.takes_two_entries() {
            root.set_bar_64(function, index, address.into());
        } else {
            root.set_bar_32(function, index, address);
        }
    }
}
