//! Virtio block devices behind memory-mapped transports that lie side by side, as on QEMU's machines `virt`.
#![expect(unsafe_code, reason = "device registers are reached by their address")]

use core::ptr::{self, NonNull};

use virtio_drivers::transport::mmio::MmioTransport;
use virtio_drivers::transport::{DeviceStatus, Transport};

/// Where a board has its virtio-mmio slots.
pub(super) struct Slots {
    /// CPU address of the first one.
    pub(super) base: usize,
    /// From one to the next, and the length of each.
    pub(super) stride: usize,
    /// How many there are.
    pub(super) count: usize,
}

/// Registers of a slot, by offset: Virtio 1.2, section 4.2.2.
const MAGIC_VALUE: usize = 0x000;
const DEVICE_ID: usize = 0x008;
const STATUS: usize = 0x070;

/// What the magic register of every slot holds: "virt", little endian.
const MAGIC: u32 = 0x7472_6976;

/// The device number of a block device: Virtio 1.2, section 5.
const BLOCK_DEVICE: u32 = 2;

impl Slots {
    /// The CPU pointer to registers of a slot.
    ///
    /// # Panics
    ///
    /// If not all of them are a slot's.
    pub(super) fn registers(&self, phys: u64, len: usize) -> NonNull<u8> {
        let (start, slots) = (phys as usize, self.count * self.stride);
        let offset = start.checked_sub(self.base);
        assert!(
            offset.is_some_and(|offset| offset < slots && len <= slots - offset),
            "{phys:#x}+{len:#x} is not a virtio-mmio slot's"
        );
        NonNull::new(ptr::with_exposed_provenance_mut(start)).expect("no slot is at 0")
    }

    /// The block device that was the `index`-th on QEMU's command line.
    ///
    /// QEMU gives the first `-device` the last slot, so the last slot is asked first.
    ///
    /// `None` if there are not so many block devices, or if the one asked for is in use: it keeps its own
    /// claim, for the transport returned here leaves ACKNOWLEDGE in the status register and takes it back
    /// when dropped.
    pub(super) fn block_device(&self, index: usize) -> Option<MmioTransport<'static>> {
        let slot = (0..self.count)
            .rev()
            .map(|slot| self.base + slot * self.stride);
        let mut blocks = slot.filter(|&slot| holds_block_device(slot));
        let header = blocks.nth(index).filter(|&slot| read(slot + STATUS) == 0)?;

        let header = NonNull::new(ptr::with_exposed_provenance_mut(header))?;
        // SAFETY: a slot that answers with the magic value is a transport of `stride` bytes, aligned and
        // always there. Nobody else has it: its status was 0, and is not from here to the transport's drop.
        let mut transport = unsafe { MmioTransport::new(header, self.stride) }.ok()?;
        transport.set_status(DeviceStatus::ACKNOWLEDGE);
        Some(transport)
    }
}

/// Whether the slot is one, is not empty, and its device is a disk.
fn holds_block_device(slot: usize) -> bool {
    read(slot + MAGIC_VALUE) == MAGIC && read(slot + DEVICE_ID) == BLOCK_DEVICE
}

/// Reads one register.
fn read(register: usize) -> u32 {
    let register = ptr::with_exposed_provenance::<u32>(register);
    // SAFETY: the board's `Slots` lie in mapped device memory, and these three registers may be read at any
    // time without effect (Virtio 1.2, section 4.2.2).
    unsafe { register.read_volatile() }
}
