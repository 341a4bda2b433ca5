//! The emulator's disks, found by their serial numbers.

use virtio_drivers::{Error, device::blk::VirtIOBlk};

use super::{board, hal::DmaHal, ordered::Ordered};

/// Bytes in a sector.
pub(crate) const SECTOR: usize = virtio_drivers::device::blk::SECTOR_SIZE;

/// The way to a disk.
pub(crate) type DiskTransport = Ordered<board::DiskTransport>;

/// A disk driven by `virtio-drivers` on top of this library.
pub(crate) type Disk = VirtIOBlk<DmaHal, DiskTransport>;

/// More disks than a board is given.
const DISKS: usize = 8;

/// The disk with this serial number, if there is one.
///
/// # Errors
///
/// What the driver says of a disk that does not answer as it should.
pub(crate) fn find(serial: &str) -> Result<Option<Disk>, Error> {
    Ok(search(serial)?.map(|(_, disk)| disk))
}

/// The way to the disk with this serial number, for another driver than `virtio-drivers`' own.
///
/// # Errors
///
/// As [`find`].
pub(crate) fn transport(serial: &str) -> Result<Option<DiskTransport>, Error> {
    let Some((index, disk)) = search(serial)? else {
        return Ok(None);
    };
    // This resets the device, and gives up the claim on it.
    drop(disk);
    Ok(board::disk_transport::<DmaHal>(index).map(Ordered))
}

/// The disk with this serial number, and its place in the order of the bus.
fn search(serial: &str) -> Result<Option<(usize, Disk)>, Error> {
    let transports =
        (0..DISKS).map_while(|index| Some((index, board::disk_transport::<DmaHal>(index)?)));
    for (index, transport) in transports {
        let mut disk = Disk::new(Ordered(transport))?;
        let mut id = [0; 20];
        let len = disk.device_id(&mut id)?;
        if &id[..len] == serial.as_bytes() {
            return Ok(Some((index, disk)));
        }
    }
    Ok(None)
}
