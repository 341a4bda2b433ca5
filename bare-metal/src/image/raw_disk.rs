//! A disk whose requests are put together by hand: header, data and status each in as many pieces as the caller likes.
#![expect(
    unsafe_code,
    reason = "virtio-drivers lends buffers for as long as its caller says"
)]

use core::array;

use virtio_drivers::{
    Error,
    queue::VirtQueue,
    transport::{DeviceStatus, Transport},
};

use super::{
    board, console,
    disk::{self, DiskTransport},
    hal::DmaHal,
    verdict::Verdict,
};

/// The most pieces of a request: the descriptors of the queue.
pub(crate) const DESCRIPTORS: usize = 16;

/// Bytes of a request's header.
pub(crate) const HEADER: usize = 16;

/// What a device writes that did what it was asked for (Virtio 1.2, section 5.2.6).
pub(crate) const OK: u8 = 0;

/// The one queue of a block device.
const QUEUE: u16 = 0;

/// The one feature that is asked for (Virtio 1.2, section 6): no rule says how a request is cut into descriptors.
const VERSION_1: u64 = 1 << 32;

/// How long a request may take.
const PATIENCE_MICROS: u64 = 30_000_000;

/// What a request asks for (Virtio 1.2, section 5.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Read = 0,
    Write = 1,
}

impl Request {
    /// The header of a request that begins at `sector`.
    pub(crate) fn header(self, sector: usize) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&(self as u32).to_le_bytes());
        header[8..].copy_from_slice(&(sector as u64).to_le_bytes());
        header
    }
}

/// A disk, and its queue.
pub(crate) struct RawDisk {
    // Dropped first, which resets the device: it has no queue any more when the queue's memory goes.
    transport: DiskTransport,
    queue: VirtQueue<DmaHal, DESCRIPTORS>,
}

impl RawDisk {
    /// The disk with this serial number, if there is one.
    ///
    /// # Errors
    ///
    /// What `virtio-drivers` says of a disk that does not answer as it should.
    pub(crate) fn find(serial: &str) -> Result<Option<Self>, Error> {
        disk::transport(serial)?.map(Self::new).transpose()
    }

    /// Initialises the device as Virtio 1.2, section 3.1.1 says.
    fn new(mut transport: DiskTransport) -> Result<Self, Error> {
        let driver = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
        transport.set_status(DeviceStatus::empty());
        transport.set_status(driver);
        if transport.read_device_features() & VERSION_1 == 0 {
            return Err(Error::Unsupported);
        }
        transport.write_driver_features(VERSION_1);
        transport.set_status(driver | DeviceStatus::FEATURES_OK);
        if !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
            return Err(Error::Unsupported);
        }
        let queue = VirtQueue::new(&mut transport, QUEUE, false, false)?;
        transport.set_status(driver | DeviceStatus::FEATURES_OK | DeviceStatus::DRIVER_OK);
        Ok(Self { transport, queue })
    }

    /// Has the device read `inputs` and write `outputs`, and does `meanwhile` again and again until it has. Returns how many
    /// bytes it says it has written.
    ///
    /// # Errors
    ///
    /// The queue is too small for so many pieces, or the device answers another request.
    pub(crate) fn request(
        &mut self,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
        mut meanwhile: impl FnMut(),
    ) -> Result<u32, Error> {
        if inputs.len() + outputs.len() > DESCRIPTORS {
            return Err(Error::QueueFull);
        }
        // The queue wants all borrowed for one lifetime.
        let mut written: [&mut [u8]; DESCRIPTORS] = array::from_fn(|_| &mut [][..]);
        let count = outputs.len();
        for (place, output) in written.iter_mut().zip(outputs) {
            *place = output;
        }

        // SAFETY: the pieces are borrowed until the device has used them; else this function does not return.
        let token = unsafe { self.queue.add(inputs, &mut written[..count]) }?;
        self.transport.notify(QUEUE);
        let started = board::now_micros();
        while self.queue.peek_used() != Some(token) {
            meanwhile();
            if board::now_micros() - started > PATIENCE_MICROS {
                // The device still has the pieces, and there is no way back.
                console::line(format_args!("ERROR time-out: a request is not answered"));
                Verdict::TimeOut.exit();
            }
        }
        // SAFETY: they are the same pieces.
        unsafe { self.queue.pop_used(token, inputs, &mut written[..count]) }
    }
}
