//! The virtio disks of PCI bus 0, in bus order, as transports a virtio-drivers device can be made of.
//!
//! A disk is found by what it says it is (vendor 0x1af4, device 0x1001 transitional or 0x1042 modern: Virtio 1.2,
//! section 4.1.2), and is always driven through its modern interface, which needs memory BARs only.

use virtio_drivers::{
    Hal,
    transport::{
        DeviceType,
        pci::{PciTransport, bus::ConfigurationAccess, virtio_device_type},
    },
};

use super::pci;

/// The `index`-th virtio disk of bus 0, able to master the bus, or `None` if there are not that many. Its BARs are placed
/// as [`pci::function`] says.
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
    let is_disk = |info: &_| virtio_device_type(info) == Some(DeviceType::Block);
    let (mut root, function) = pci::function(access, place_bars_from, index, is_disk)?;

    Some(
        PciTransport::new::<H, C>(&mut root, function)
            .expect("a virtio disk has a modern interface"),
    )
}
