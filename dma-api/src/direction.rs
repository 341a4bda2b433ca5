//! Which way the data goes, seen from memory, as types that make misuse a compile error.

mod sealed {
    /// Keeps [`Direction`](super::Direction) to the three that exist: generic code may match on
    /// [`DataDirection`](super::DataDirection) exhaustively.
    pub trait Sealed {}
}

/// The direction of a transfer as a value, for code that learns it at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataDirection {
    /// The CPU writes, the device reads.
    ToDevice,
    /// The device writes, the CPU reads.
    FromDevice,
    /// The device reads and writes.
    Bidirectional,
}

impl DataDirection {
    /// Whether the device may write to the memory.
    #[must_use]
    pub const fn device_writes(self) -> bool {
        !matches!(self, Self::ToDevice)
    }
}

/// The direction of a transfer as a type.
pub trait Direction: sealed::Sealed + Copy + 'static {
    /// The same direction as a value.
    const DATA: DataDirection;
}

/// A direction in which the device reads what the CPU wrote.
pub trait DeviceReads: Direction {}

/// A direction in which the device writes what the CPU reads.
pub trait DeviceWrites: Direction {}

macro_rules! directions {
    ($($(#[$doc:meta])* $Name:ident: $($Access:ident),+;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $Name;

        impl sealed::Sealed for $Name {}
        impl Direction for $Name {
            const DATA: DataDirection = DataDirection::$Name;
        }
        $(impl $Access for $Name {})+
    )+};
}

directions! {
    /// The CPU writes, the device reads.
    ToDevice: DeviceReads;
    /// The device writes, the CPU reads.
    FromDevice: DeviceWrites;
    /// The device reads and writes.
    Bidirectional: DeviceReads, DeviceWrites;
}
