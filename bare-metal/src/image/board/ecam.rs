//! Bus 0 of a PCI Express host bridge whose configuration space is memory: the generic host bridge of QEMU's machines
//! `virt`, which no firmware has set up.
#![expect(unsafe_code, reason = "device registers are reached by their address")]

use core::ptr::{self, NonNull};

use virtio_drivers::transport::pci::bus::{
    Cam, ConfigurationAccess, DeviceFunction, DeviceFunctionInfo,
};

use super::pci;

/// Where a board has its host bridge.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostBridge {
    /// CPU address of the configuration space, of which the part of bus 0 is mapped: [`BUS`] bytes.
    pub(super) configuration: usize,
    /// Where memory BARs go. The CPU's bus and PCI have it at the same address.
    pub(super) memory: u32,
    /// How many bytes of it are mapped.
    pub(super) memory_len: usize,
}

/// The configuration space of a bus: 32 devices, 8 functions, 4 KiB.
const BUS: u32 = 1 << 20;

impl HostBridge {
    /// The registers of the first function of bus 0 with these numbers, if there is one, and how many bytes they have.
    pub(super) fn registers(self, vendor: u16, device: u16) -> Option<(NonNull<u8>, usize)> {
        let is_wanted =
            |info: &DeviceFunctionInfo| (info.vendor_id, info.device_id) == (vendor, device);
        let (mut root, function) = pci::function(Bus0(self), Some(self.memory), 0, is_wanted)?;
        let (address, len) = pci::registers(&mut root, function);
        Some((self.mapped(address, len), len))
    }

    /// The CPU pointer to registers that were placed.
    fn mapped(self, address: u64, len: usize) -> NonNull<u8> {
        let offset = address.checked_sub(self.memory.into());
        assert!(
            offset.is_some_and(|offset| offset as usize + len <= self.memory_len),
            "{address:#x}+{len:#x} is not mapped as a PCI device's"
        );
        NonNull::new(ptr::with_exposed_provenance_mut(address as usize)).expect("nothing is at 0")
    }
}

/// The mechanism of PCI Express Base 5.0, section 7.2.2, for bus 0.
struct Bus0(HostBridge);

impl Bus0 {
    /// The register, if the function is one of bus 0's.
    fn register(&self, function: DeviceFunction, register: u8) -> Option<*mut u32> {
        let offset = Cam::Ecam.cam_offset(function, register);
        let address = self.0.configuration + offset as usize;
        (offset < BUS).then(|| ptr::with_exposed_provenance_mut(address))
    }
}

impl ConfigurationAccess for Bus0 {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        match self.register(function, register) {
            // SAFETY: a register of the configuration space, which the board maps; reading those of PCI's header has no
            // effect, and those that no function answers for are all ones.
            Some(register) => unsafe { register.read_volatile() },
            None => u32::MAX,
        }
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, word: u32) {
        if let Some(register) = self.register(function, register) {
            // SAFETY: as above; the caller says which function's register takes the word.
            unsafe { register.write_volatile(word) }
        }
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self(self.0)
    }
}
