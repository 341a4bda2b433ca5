//! The emulator's disks, found by their serial numbers.

use virtio_drivers::device::blk::VirtIOBlk;

use super::{board, hal::DmaHal, ordered::Ordered};

/// Bytes in a sector.
pub(crate) const SECTOR: usize = virtio_drivers::device::blk::SECTOR_SIZE;

/// A disk driven by `virtio-drivers` on top of this library.
pub(crate) type Disk = VirtIOBlk<DmaHal, Ordered<board::DiskTransport>>;

/// The disk with this serial number.
pub(crate) fn find(serial: &str) -> Option<Disk> {
    (0..8)
        .map_while(board::disk_transport::<DmaHal>)
        .find_map(|transport| {
            let mut disk = Disk::new(Ordered(transport)).ok()?;
            let mut id = [0; 20];
            let len = disk.device_id(&mut id).ok()?;
            (&id[..len] == serial.as_bytes()).then_some(disk)
        })
}
