//! A network card with descriptors that both sides write: Intel's legacy receive descriptor of 16 bytes (82540EP/EM and others,
//! Software Developer's Manual, 3.2.3), whose distance the card is told, as the "descriptor skip length" of Synopsys' GMAC is.

use dma_api::{
    DmaAddr,
    zerocopy::{
        FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
        little_endian::{U16, U64},
    },
};
use sim::{BusFault, DmaEngine};

/// A receive descriptor.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub(crate) struct Descriptor {
    pub(crate) address: U64,
    pub(crate) length: U16,
    pub(crate) checksum: U16,
    pub(crate) status: u8,
    pub(crate) errors: u8,
    pub(crate) special: U16,
}
const _: () = assert!(size_of::<Descriptor>() == 16);

impl Descriptor {
    /// Descriptor done.
    pub(crate) const DONE: u8 = 1;
    /// End of packet.
    pub(crate) const LAST: u8 = 2;

    pub(crate) fn new(buffer: DmaAddr) -> Self {
        Self {
            address: U64::new(buffer.get()),
            ..Self::default()
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.status & Self::DONE != 0
    }
}

/// The same at a distance of `N + 16` bytes from the next.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Spaced<const N: usize> {
    pub(crate) descriptor: Descriptor,
    pub(crate) skipped: [u8; N],
}

impl<const N: usize> Spaced<N> {
    pub(crate) fn new(buffer: DmaAddr) -> Self {
        Self {
            descriptor: Descriptor::new(buffer),
            skipped: [0; N],
        }
    }
}

/// The card's receiver.
pub(crate) struct Card<'m> {
    pub(crate) engine: DmaEngine<'m>,
    pub(crate) base: DmaAddr,
    /// From one descriptor to the next.
    pub(crate) distance: usize,
    pub(crate) entries: usize,
    pub(crate) head: usize,
}

impl Card<'_> {
    /// The tail's register: descriptors up to there are the card's.
    pub(crate) fn tail(&self) {
        self.engine.doorbell();
    }

    /// A packet arrives: the card fetches a descriptor, fills the buffer, and writes the descriptor back.
    pub(crate) fn receive(&mut self, packet: &[u8]) -> Result<(), BusFault> {
        let place = self
            .base
            .checked_add((self.head * self.distance) as u64)
            .unwrap();
        self.head = (self.head + 1) % self.entries;
        let bytes = self.engine.read(place, size_of::<Descriptor>())?;
        let mut descriptor = Descriptor::read_from_bytes(&bytes).unwrap();
        assert_eq!(descriptor.status, 0, "the card may not overtake the driver");

        self.engine
            .write(DmaAddr::new(descriptor.address.get()), packet)?;
        descriptor.length = U16::new(u16::try_from(packet.len()).unwrap());
        descriptor.status = Descriptor::DONE | Descriptor::LAST;
        self.engine.write(place, descriptor.as_bytes())
    }
}
