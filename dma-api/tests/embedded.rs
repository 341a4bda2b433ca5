//! The library's buffers as those of `embedded-dma`.
#![expect(unsafe_code, reason = "the traits' methods are unsafe")]
#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod common;

use common::without_caches;
use dma_api::{
    Bidirectional, Device, DmaMask, FromDevice, Limits, Snooping, ToDevice,
    embedded_dma::{ReadBuffer, WriteBuffer},
};

#[test]
fn a_buffer_is_its_bytes_where_they_are() {
    let mask = DmaMask::bits(64).unwrap();
    let device = Device::new(without_caches(4096), Limits::new(mask), Snooping::Snoops).unwrap();

    let mut sent = device.allocate::<ToDevice>(13).unwrap();
    let bytes = sent.as_mut_slice().as_ptr();
    // SAFETY: nothing is transferred.
    assert_eq!(unsafe { sent.read_buffer() }, (bytes, 13));

    let mut received = device.allocate::<FromDevice>(64).unwrap();
    let bytes = received.as_mut_slice().as_mut_ptr();
    // SAFETY: as above.
    assert_eq!(unsafe { received.write_buffer() }, (bytes, 64));

    let mut both = device.allocate::<Bidirectional>(1).unwrap();
    // SAFETY: as above.
    let read = unsafe { both.read_buffer() };
    // SAFETY: as above.
    let written = unsafe { both.write_buffer() };
    assert_eq!(read, (written.0.cast_const(), 1));
}
