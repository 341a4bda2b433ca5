//! The emulator's disks, found by their serial numbers.

use virtio_drivers::{Error, device::blk::VirtIOBlk};

use super::{board, hal::DmaHal, ordered::Ordered};

/// Bytes in a sector.
pub(crate) const SECTOR: usize = virtio_drivers::device::blk::SECTOR_SIZE;

/// A disk driven by `virtio-drivers` on top of this library.
pub(crate) type Disk = VirtIOBlk<DmaHal, Ordered<board::DiskTransport>>;

/// The disk with this serial number, if there is one.
///
/// # Errors
///
/// What the driver says of a disk that does not answer as it should.
pub(crate) fn find(serial: &str) -> Result<Option<Disk>, Error> {
    for transport in (0..8).map_while(board::disk_transport::<DmaHal>) {
        let mut disk = Disk::new(Ordered(transport))?;
        let mut id = [0; 20];
        let len = disk.device_id(&mut id)?;
        if &id[..len] == serial.as_bytes() {
            return Ok(Some(disk));
        }
    }
    Ok(None)
}
