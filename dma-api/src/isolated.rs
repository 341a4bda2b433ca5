//! A value that is alone in its cache lines by its type, so that a device can write it while the CPU uses what lies beside it.
#![expect(
    unsafe_code,
    reason = "the value is reached through the pointer that the device's address came with"
)]

use core::{
    fmt,
    marker::PhantomData,
    num::NonZeroUsize,
    ops::{Deref, DerefMut},
    panic::Location,
    ptr::NonNull,
};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{
    addr::{DmaAddr, DmaRange, PhysRange},
    device::Device,
    direction::{DeviceReads, DeviceWrites},
    error::Error,
    ledger::Holding,
    machine::Machine,
    observe::Event,
    streaming::{CpuOwned, DeviceOwned},
};

mod sealed {
    /// Keeps [`Granule`](super::Granule) to types that are aligned as they say and have no size.
    pub trait Sealed {}
}

/// A write-back granule that a type assumes, as a type.
pub trait Granule: sealed::Sealed + Copy + 'static {
    /// Its size in bytes.
    const BYTES: usize;
}

macro_rules! granules {
    ($($Name:ident $bytes:literal)+) => {$(
        #[doc = concat!("A granule of ", $bytes, " bytes.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(align($bytes))]
        pub struct $Name;

        impl sealed::Sealed for $Name {}
        impl Granule for $Name {
            const BYTES: usize = $bytes;
        }
        const _: () = assert!(align_of::<$Name>() == $bytes && size_of::<$Name>() == 0);
    )+};
}

granules! { G16 16 G32 32 G64 64 G128 128 G256 256 }

/// Refuses a device of a machine whose granule is larger than the one that a type assumes.
pub(crate) fn judge_granule<M, G>(device: &Device<M>) -> Result<(), Error>
where
    M: Machine + Clone,
    G: Granule,
{
    let granule = usize::try_from(device.granule().get()).unwrap_or(usize::MAX);
    let assumed = G::BYTES;
    if granule > assumed {
        return Err(Error::GranuleAboveAssumed { granule, assumed });
    }
    Ok(())
}

/// A field, or a struct of fields, that shares no granule of `G` with anything else, wherever it lies: its alignment and its
/// size are multiples of `G`.
///
/// As a member of a larger struct it can be lent to a device, which writes it in place, while the CPU goes on writing the
/// members beside it:
/// ```
/// use dma_api::{Device, Error, FromDevice, Isolated, Machine, isolated::G64};
///
/// #[repr(C)]
/// struct Shared {
///     sent: u32,
///     status: Isolated<u8, G64>,
///     errors: u32,
/// }
///
/// # fn ring(_: dma_api::DmaAddr) {}
/// fn example<M>(device: &Device<M>, shared: &'static mut Shared) -> Result<u8, Error>
/// where
///     M: Machine + Clone,
/// {
///     let lent = device.lend_isolated::<FromDevice, _, _>(&mut shared.status)?;
///     ring(lent.dma_addr());
///     shared.sent += 1; // in another granule, hence allowed meanwhile
///
///     // SAFETY: the device's interrupt said that the status is written.
///     let status = unsafe { lent.sync_for_cpu() };
///     if *status.get() != 0 {
///         shared.errors += 1;
///     }
///     Ok(*status.get())
/// }
/// ```
/// While it is lent, it cannot be read:
/// ```compile_fail,E0502
/// # use dma_api::{Device, Error, FromDevice, Isolated, Machine, isolated::G64};
/// # #[repr(C)]
/// # struct Shared {
/// #     sent: u32,
/// #     status: Isolated<u8, G64>,
/// #     errors: u32,
/// # }
/// # fn ring(_: dma_api::DmaAddr) {}
/// # fn example<M>(device: &Device<M>, shared: &'static mut Shared) -> Result<u8, Error>
/// # where
/// #     M: Machine + Clone,
/// # {
///     let lent = device.lend_isolated::<FromDevice, _, _>(&mut shared.status)?;
///     ring(lent.dma_addr());
///     Ok(*shared.status)
/// # }
/// ```
///
/// `G` is an assumption, made when the program is compiled. A machine whose granule turns out to be larger refuses the loan
/// with [`Error::GranuleAboveAssumed`]. A program that is to run on machines of any granule does without this type:
/// [`device.allocate::<FromDevice>(len)`](Device::allocate) gives memory that is alone in the granules of the machine it is
/// asked on, however large they are.
#[repr(C)]
pub struct Isolated<T, G: Granule> {
    /// Its alignment, which makes the size a multiple, too.
    align: [G; 0],
    value: T,
}

impl<T, G: Granule> Isolated<T, G> {
    /// What the type is for, for every `T` and `G`; the value is at its start.
    const WHOLE: () = assert!(
        align_of::<Self>().is_multiple_of(G::BYTES)
            && size_of::<Self>().is_multiple_of(G::BYTES)
            && core::mem::offset_of!(Self, value) == 0,
        "an isolated value is whole granules"
    );

    /// A value alone in its granules.
    pub const fn new(value: T) -> Self {
        const { Self::WHOLE };
        Self { align: [], value }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value
    }
}

/// Whoever has it, has the value: it is the CPU's.
impl<T, G: Granule> Deref for Isolated<T, G> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T, G: Granule> DerefMut for Isolated<T, G> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Default, G: Granule> Default for Isolated<T, G> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug, G: Granule> fmt::Debug for Isolated<T, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Isolated").field(&self.value).finish()
    }
}

impl<M: Machine + Clone> Device<M> {
    /// Hands an isolated value to the device, which writes it in place. What a device only reads needs no isolation:
    /// [`lend_in_place`](Self::lend_in_place).
    ///
    /// # Errors
    /// * [`Error::GranuleAboveAssumed`] if the machine's granule is larger than `G`;
    /// * [`Error::ZeroLength`] for a `T` without bytes;
    /// * [`Error::NotInDirectMap`], [`Error::NotInWindow`]: the machine or the bus does not know the memory;
    /// * [`Error::SharedLine`] if granules by physical address are not the same as by the CPU's;
    /// * the device's limits, as [`Limits::check`](crate::Limits::check) judges them.
    #[track_caller]
    pub fn lend_isolated<D, T, G>(
        &self,
        value: &'static mut Isolated<T, G>,
    ) -> Result<DeviceIsolated<'static, M, D, T, G>, Error>
    where
        D: DeviceWrites,
        T: FromBytes + IntoBytes + Immutable,
        G: Granule,
    {
        // SAFETY: the value is nobody else's, for ever.
        unsafe { self.lend_isolated_for(value) }
    }

    /// The same for a value that is not there for ever.
    ///
    /// # Errors
    /// As [`lend_isolated`](Self::lend_isolated).
    ///
    /// # Safety
    /// `'a` does not end while the device owns the value: the handle is taken back before, neither dropped nor forgotten. (Or
    /// the device is known to be quiet by then.)
    #[track_caller]
    pub unsafe fn lend_isolated_for<'a, D, T, G>(
        &self,
        value: &'a mut Isolated<T, G>,
    ) -> Result<DeviceIsolated<'a, M, D, T, G>, Error>
    where
        D: DeviceWrites,
        T: FromBytes + IntoBytes + Immutable,
        G: Granule,
    {
        const { Isolated::<T, G>::WHOLE };
        judge_granule::<M, G>(self)?;
        let place = NonNull::from(value);
        let whole = NonNull::slice_from_raw_parts(place.cast(), size_of::<Isolated<T, G>>());
        let granules = self.machine().direct_map().to_phys(whole)?;
        self.owns_granules(whole, granules)?;

        let bytes = NonNull::slice_from_raw_parts(place.cast::<u8>(), size_of::<T>());
        let phys = self.machine().direct_map().to_phys(bytes)?;
        let dma = self.reach(phys)?;
        let wanted = NonZeroUsize::new(bytes.len()).ok_or(Error::ZeroLength)?;
        let rounded = self.granule().round_up(wanted)?;
        let owned = PhysRange::new(phys.start(), rounded.get() as u64)?;
        // SAFETY: the value is borrowed for as long as the device may have it, by the caller's promise, and without padding
        // where `bytes` is; `owned` was just rounded up inside `whole`, which was found to be whole granules.
        let buffer = unsafe { CpuOwned::new(self, bytes, owned, dma, Holding::Nothing) };
        buffer.tell(Event::Borrowed, Location::caller());
        Ok(DeviceIsolated {
            buffer: buffer.sync_for_device(),
            value: PhantomData,
        })
    }
}

/// An isolated value that the device owns: there is an address to tell it, and no value.
///
/// Dropping it puts it into the machine's quarantine, as any buffer ([`DeviceOwned`]).
#[must_use = "dropping it puts the value into quarantine, since the device may still be writing it"]
pub struct DeviceIsolated<'a, M: Machine, D: DeviceWrites, T, G: Granule> {
    buffer: DeviceOwned<M, D>,
    value: PhantomData<&'a mut Isolated<T, G>>,
}

impl<'a, M: Machine, D: DeviceWrites, T, G: Granule> DeviceIsolated<'a, M, D, T, G> {
    /// Where the device finds the value.
    #[must_use]
    pub const fn dma_addr(&self) -> DmaAddr {
        self.buffer.dma_addr()
    }

    /// The addresses at which the device finds the value.
    #[must_use]
    pub const fn segment(&self) -> DmaRange {
        self.buffer.segment()
    }

    /// Takes the value back.
    ///
    /// # Safety
    /// As [`DeviceOwned::sync_for_cpu`].
    #[track_caller]
    pub unsafe fn sync_for_cpu(self) -> CpuIsolated<'a, M, D, T, G> {
        CpuIsolated {
            // SAFETY: the caller's promise is the same.
            buffer: unsafe { self.buffer.sync_for_cpu() },
            value: PhantomData,
        }
    }
}

/// An isolated value that came back from the device: the CPU owns it, until it hands it over again or
/// [releases](Self::release) it.
#[must_use = "it is what the device wrote"]
pub struct CpuIsolated<'a, M: Machine, D: DeviceWrites, T, G: Granule> {
    buffer: CpuOwned<M, D>,
    value: PhantomData<&'a mut Isolated<T, G>>,
}

impl<'a, M: Machine, D: DeviceWrites, T, G: Granule> CpuIsolated<'a, M, D, T, G> {
    /// The value. It was written by a device: check what it says.
    #[must_use]
    pub const fn get(&self) -> &T {
        // SAFETY: the CPU owns the value (S1), any bytes of which are a `T` (S5), and nobody else uses it while it is borrowed.
        unsafe { self.buffer.memory().cast::<T>().as_ref() }
    }

    /// Hands the value over again.
    #[track_caller]
    pub fn sync_for_device(self) -> DeviceIsolated<'a, M, D, T, G> {
        DeviceIsolated {
            buffer: self.buffer.sync_for_device(),
            value: PhantomData,
        }
    }

    /// Ends the loan: whose value it was has it again.
    #[must_use = "dropping the loan ends it, too"]
    pub fn release(self) -> &'a mut Isolated<T, G> {
        let mut place = self.buffer.memory().cast::<Isolated<T, G>>();
        drop(self);
        // SAFETY: the pointer came from a reference of this type and lifetime, which nobody has used since; the CPU owns
        // the value, any bytes of which are a `T`.
        unsafe { place.as_mut() }
    }
}

impl<M: Machine, D: DeviceReads + DeviceWrites, T, G: Granule> CpuIsolated<'_, M, D, T, G> {
    /// The value, to change what the device reads.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut T {
        // SAFETY: as for `get`.
        unsafe { self.buffer.memory().cast::<T>().as_mut() }
    }
}

impl<M: Machine, D: DeviceWrites, T, G: Granule> fmt::Debug for DeviceIsolated<'_, M, D, T, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceIsolated").field(&self.buffer).finish()
    }
}

impl<M: Machine, D: DeviceWrites, T, G: Granule> fmt::Debug for CpuIsolated<'_, M, D, T, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CpuIsolated").field(&self.buffer).finish()
    }
}
