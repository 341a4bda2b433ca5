//! The library's buffers as the `embedded-dma` traits know buffers, for HAL crates that take those.
//!
//! A HAL that maintains caches itself finds each buffer alone in its granules. One that does not may be given buffers on
//! machines whose devices snoop; otherwise hand the buffer over here, and tell the HAL the address.
#![expect(
    unsafe_code,
    reason = "the traits promise that the bytes stay where they are"
)]

use embedded_dma::{ReadBuffer, WriteBuffer};

use crate::{
    direction::{DeviceReads, DeviceWrites},
    machine::Machine,
    streaming::CpuOwned,
};

// SAFETY: the bytes lie in memory of the machine's allocator, which does not move with the handle and stays the handle's
// if it is forgotten; all are initialised, and a `u8` may have any value. The machine outlives every transfer.
unsafe impl<M: Machine + 'static, D: DeviceReads> ReadBuffer for CpuOwned<M, D> {
    type Word = u8;

    unsafe fn read_buffer(&self) -> (*const u8, usize) {
        let memory = self.memory();
        (memory.cast::<u8>().as_ptr().cast_const(), memory.len())
    }
}

// SAFETY: as above.
unsafe impl<M: Machine + 'static, D: DeviceWrites> WriteBuffer for CpuOwned<M, D> {
    type Word = u8;

    unsafe fn write_buffer(&mut self) -> (*mut u8, usize) {
        let memory = self.memory();
        (memory.cast::<u8>().as_ptr(), memory.len())
    }
}
