//! Memory that somebody else allocated, lent to a device: where it is, or through slots of a pool.
#![expect(
    unsafe_code,
    reason = "nothing but the caller's word says that the memory outlives the transfer"
)]

use core::{
    fmt,
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit},
    panic::Location,
    ptr::NonNull,
};

use embedded_dma::{ReadBuffer, WriteBuffer};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{
    addr::{DmaAddr, DmaRange, PhysRange},
    bounce::LoanCost,
    direction::{Bidirectional, DeviceWrites, Direction, FromDevice, ToDevice},
    error::{Error, Refused},
    lender::Lender,
    machine::Machine,
    transfer::Transfer,
};

/// Parts of a buffer that is contiguous: its edges, and what is between them.
pub const PARTS: usize = 3;

/// A buffer of somebody else's that a device owns: there are addresses to tell it, and no bytes.
///
/// It keeps the buffer, the device, the direction and the length, so that taking it back needs none of them. Dropping it
/// while the device owns it gives nothing back: the buffer is forgotten, what was lent where it is goes to the machine's
/// quarantine, and slots stay taken until [`Quiesced::release_bounced`](crate::Quiesced::release_bounced).
///
/// Its bytes cannot be reached, and nothing is taken back twice:
/// ```compile_fail,E0382
/// # use dma_api::{FromDevice, Loan, Machine};
/// # fn example<M: Machine>(loan: Loan<'_, M, FromDevice, &'static mut [u8; 16]>) {
/// // SAFETY: the device's status register said so.
/// let bytes = unsafe { loan.sync_for_cpu() };
/// // SAFETY: as above.
/// let again = unsafe { loan.sync_for_cpu() };
/// # }
/// ```
/// ```compile_fail,E0599
/// # use dma_api::{FromDevice, Loan, Machine};
/// # fn example<M: Machine>(loan: Loan<'_, M, FromDevice, &'static mut [u8; 16]>) {
/// let byte = loan.as_slice()[0];
/// # }
/// ```
/// ```
/// # use dma_api::{FromDevice, Loan, Machine};
/// # fn example<M: Machine>(loan: Loan<'_, M, FromDevice, &'static mut [u8; 16]>) {
/// // SAFETY: the device's status register said so.
/// let bytes = unsafe { loan.sync_for_cpu() };
/// let byte = bytes[0];
/// # }
/// ```
#[must_use = "dropping it leaks the buffer, since the device may still be using it"]
pub struct Loan<'p, M: Machine, D: Direction, B = (), const N: usize = PARTS> {
    transfer: Transfer<'p, M, D, N>,
    /// Initialised. It lies in here before its bytes' address is asked for: moving it makes no claim on them.
    buffer: MaybeUninit<B>,
}

impl<'p, M: Machine + Clone> Lender<'p, M> {
    /// Lends a buffer that the device reads: owned, or `'static`.
    ///
    /// # Errors
    /// With the buffer: [`Error::ZeroLength`]; why it cannot be lent where it is, if it may not bounce; otherwise
    /// [`Error::NeverFits`] or [`Error::Exhausted`] of the pool, and [`Error::TooManySegments`] and the like of the
    /// device's limits.
    #[track_caller]
    pub fn lend_to<B: ReadBuffer>(&self, buffer: B) -> Result<Loan<'p, M, ToDevice, B>, Refused<B>>
    where
        B::Word: IntoBytes + Immutable,
    {
        self.lend_buffer(buffer, |buffer| {
            // SAFETY: the buffer stays where it is, untouched, until the loan is taken back or for ever.
            let (start, words) = unsafe { buffer.read_buffer() };
            (
                start.cast::<u8>().cast_mut(),
                words.saturating_mul(size_of::<B::Word>()),
            )
        })
    }

    /// Lends a buffer that the device writes: owned, or `'static`. Its bytes are initialised, if the device or its bus
    /// is to write fewer than there are.
    ///
    /// # Errors
    /// As [`lend_to`](Self::lend_to).
    #[track_caller]
    pub fn lend_from<B: WriteBuffer>(
        &self,
        buffer: B,
    ) -> Result<Loan<'p, M, FromDevice, B>, Refused<B>>
    where
        B::Word: FromBytes,
    {
        self.lend_buffer(buffer, write_buffer)
    }

    /// Lends a buffer that the device reads and writes: owned, or `'static`.
    ///
    /// # Errors
    /// As [`lend_to`](Self::lend_to).
    #[track_caller]
    pub fn lend_both<B: WriteBuffer + ReadBuffer>(
        &self,
        buffer: B,
    ) -> Result<Loan<'p, M, Bidirectional, B>, Refused<B>>
    where
        <B as WriteBuffer>::Word: FromBytes + IntoBytes,
    {
        self.lend_buffer(buffer, write_buffer)
    }

    #[track_caller]
    fn lend_buffer<D: Direction, B>(
        &self,
        buffer: B,
        bytes: impl FnOnce(&mut B) -> (*mut u8, usize),
    ) -> Result<Loan<'p, M, D, B>, Refused<B>> {
        let caller = Location::caller();
        let mut buffer = MaybeUninit::new(buffer);
        // SAFETY: it was just made of a value.
        let (start, len) = bytes(unsafe { buffer.assume_init_mut() });
        let memory = NonNull::new(start)
            .map(|start| NonNull::slice_from_raw_parts(start, len))
            .ok_or(Error::ZeroLength);
        // SAFETY: the traits promise that the bytes are valid and stay where they are while the buffer is not touched,
        // which the loan keeps to, and that they outlive it if it is forgotten (S2).
        let transfer = memory.and_then(|memory| unsafe { self.start_one(memory, caller) });
        match transfer {
            Ok(transfer) => Ok(Loan { transfer, buffer }),
            // SAFETY: as above, and it is not used again.
            Err(error) => Err(Refused::new(error, unsafe { buffer.assume_init() })),
        }
    }

    /// Lends any memory.
    ///
    /// # Errors
    /// As [`lend_to`](Self::lend_to).
    ///
    /// # Safety
    /// Until the loan is taken back, or for ever if it is dropped or forgotten before: `memory` is valid for reads, and
    /// for writes if the device writes; it is initialised; nobody writes to it, and nobody reads it if the device writes.
    #[track_caller]
    pub unsafe fn lend_raw<D: Direction>(
        &self,
        memory: NonNull<[u8]>,
    ) -> Result<Loan<'p, M, D>, Error> {
        let caller = Location::caller();
        // SAFETY: passed on to the caller.
        let transfer = unsafe { self.start_one(memory, caller) }?;
        let buffer = MaybeUninit::new(());
        Ok(Loan { transfer, buffer })
    }

    /// Lends several stretches of memory as one transfer of up to `N` parts: each stretch is one if it is contiguous, and
    /// up to [`PARTS`] if its edges bounce. They are handed over and taken back together, with one completion.
    ///
    /// # Errors
    /// As [`lend_to`](Self::lend_to); [`Error::TooManyParts`].
    ///
    /// # Safety
    /// As [`lend_raw`](Self::lend_raw), for each.
    #[track_caller]
    pub unsafe fn lend_list<D: Direction, const N: usize>(
        &self,
        memory: &[NonNull<[u8]>],
    ) -> Result<Loan<'p, M, D, (), N>, Error> {
        let caller = Location::caller();
        // SAFETY: passed on to the caller.
        let transfer = unsafe { self.start(memory.iter().copied(), caller) }?;
        let buffer = MaybeUninit::new(());
        Ok(Loan { transfer, buffer })
    }

    /// Lends an operating system's pages, or other memory that it knows by physical address, as
    /// [`lend_list`](Self::lend_list) does.
    ///
    /// # Errors
    /// As [`lend_list`](Self::lend_list); [`Error::NotInDirectMap`] if the CPU does not see them.
    ///
    /// # Safety
    /// As [`lend_list`](Self::lend_list), for the memory at which the direct map shows the pages.
    #[track_caller]
    pub unsafe fn lend_pages<D: Direction, const N: usize>(
        &self,
        pages: &[PhysRange],
    ) -> Result<Loan<'p, M, D, (), N>, Error> {
        let caller = Location::caller();
        let direct_map = self.device().machine().direct_map();
        pages
            .iter()
            .try_for_each(|page| direct_map.to_cpu(*page).map(drop))?;
        let memory = pages
            .iter()
            .filter_map(move |page| direct_map.to_cpu(*page).ok());
        // SAFETY: passed on to the caller.
        let transfer = unsafe { self.start(memory, caller) }?;
        let buffer = MaybeUninit::new(());
        Ok(Loan { transfer, buffer })
    }
}

fn write_buffer<B: WriteBuffer>(buffer: &mut B) -> (*mut u8, usize) {
    // SAFETY: the buffer stays where it is, untouched, until the loan is taken back or for ever.
    let (start, words) = unsafe { buffer.write_buffer() };
    (start.cast(), words.saturating_mul(size_of::<B::Word>()))
}

impl<M: Machine, D: Direction, B, const N: usize> Loan<'_, M, D, B, N> {
    /// The addresses at which the device finds the bytes, in order.
    pub fn segments(&self) -> impl Iterator<Item = DmaRange> + Clone + '_ {
        self.transfer.segments()
    }

    /// The address, if there is one segment.
    #[must_use]
    pub fn segment(&self) -> Option<DmaRange> {
        single(self.segments())
    }

    /// Where the device finds the first byte: all it needs to know if there is one [`segment`](Self::segment).
    #[must_use]
    pub fn first_dma_addr(&self) -> DmaAddr {
        let first = self.transfer.parts.first();
        // A transfer has at least one part.
        first.map_or(DmaAddr::new(0), |part| part.dma().start())
    }

    /// Length in bytes, at least 1.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.transfer.len
    }

    /// What it takes.
    #[must_use]
    pub const fn cost(&self) -> LoanCost {
        self.transfer.cost
    }

    /// Takes the buffer back; if the device writes, all of it counts as written.
    ///
    /// # Safety
    /// The device has finished: the CPU has read so from the device or from memory the device wrote, and it will access
    /// this memory no more. It is the device that the lender has, and snoops if it was said to.
    #[track_caller]
    pub unsafe fn sync_for_cpu(self) -> B {
        let len = self.transfer.len;
        // SAFETY: passed on to the caller.
        unsafe { self.take_back(0, len, Location::caller()) }
    }

    /// # Safety
    /// As [`sync_for_cpu`](Self::sync_for_cpu).
    unsafe fn take_back(mut self, from: usize, to: usize, caller: &'static Location<'static>) -> B {
        // SAFETY: passed on to the caller.
        unsafe { self.transfer.for_cpu(from, to, caller) };
        // SAFETY: it is initialised by the invariant, and `self` is not used again.
        unsafe { self.buffer.assume_init_read() }
    }
}

impl<M: Machine, D: DeviceWrites, B, const N: usize> Loan<'_, M, D, B, N> {
    /// Takes the buffer back after a transfer of which the device says that it wrote the first `written` bytes. The others
    /// keep what they were.
    ///
    /// # Errors
    /// [`Error::OverlongTransfer`], with the buffer, of which nothing was copied, if the device claims more than there is.
    ///
    /// # Safety
    /// As [`sync_for_cpu`](Self::sync_for_cpu).
    #[track_caller]
    pub unsafe fn sync_for_cpu_short(self, written: usize) -> Result<B, Refused<B>> {
        // SAFETY: passed on to the caller.
        unsafe { self.sync_for_cpu_within(0, written) }
    }

    /// The same for a device that wrote `written` bytes from `offset` on.
    ///
    /// # Errors
    /// As [`sync_for_cpu_short`](Self::sync_for_cpu_short); `written` in the error is where the claim ends.
    ///
    /// # Safety
    /// As [`sync_for_cpu`](Self::sync_for_cpu).
    #[track_caller]
    pub unsafe fn sync_for_cpu_within(
        self,
        offset: usize,
        written: usize,
    ) -> Result<B, Refused<B>> {
        let (end, buffer_len) = (offset.saturating_add(written), self.transfer.len);
        let copied = if end <= buffer_len { end } else { offset };
        // SAFETY: passed on to the caller.
        let buffer = unsafe { self.take_back(offset, copied, Location::caller()) };
        if end <= buffer_len {
            return Ok(buffer);
        }
        let written = end;
        let error = Error::OverlongTransfer {
            written,
            buffer_len,
        };
        Err(Refused::new(error, buffer))
    }
}

// SAFETY: a loan is the only user of its memory, which every thread can access.
unsafe impl<M: Machine + Send + Sync, D: Direction, B: Send, const N: usize> Send
    for Loan<'_, M, D, B, N>
{
}

impl<M: Machine, D: Direction, B, const N: usize> fmt::Debug for Loan<'_, M, D, B, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loan<{:?}>({:?})", D::DATA, self.transfer.cost)
    }
}

/// Borrowed memory while a device owns it, inside a scope.
///
/// It cannot leave the scope:
/// ```compile_fail
/// # use dma_api::{Error, InFlight, Lender, Machine};
/// # fn example<M: Machine + Clone>(lender: &Lender<'_, M>, bytes: &mut [u8]) -> Result<(), Error> {
/// let mut kept = None;
/// lender.scope_from(bytes, |in_flight| {
///     kept = Some(in_flight.segments());
///     // SAFETY: the device's status register says so.
///     (unsafe { in_flight.finished() }, ())
/// })
/// # }
/// ```
/// nor does the end of one scope end another:
/// ```compile_fail
/// # use dma_api::{Error, Lender, Machine};
/// # fn example<M: Machine + Clone>(lender: &Lender<'_, M>, one: &mut [u8], two: &mut [u8]) -> Result<(), Error> {
/// lender.scope_from(one, |outer| {
///     let r = lender.scope_from(two, |inner| {
///         // SAFETY: the device's status register says so.
///         (unsafe { outer.finished() }, ())
///     });
///     // SAFETY: as above.
///     (unsafe { outer.finished() }, ())
/// })
/// # }
/// ```
/// ```
/// # use dma_api::{Error, Lender, Machine};
/// # fn example<M: Machine + Clone>(lender: &Lender<'_, M>, bytes: &mut [u8]) -> Result<usize, Error> {
/// lender.scope_from(bytes, |in_flight| {
///     let segments = in_flight.segments().count();
///     // SAFETY: the device's status register says so.
///     (unsafe { in_flight.finished() }, segments)
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct InFlight<'t> {
    segments: &'t dyn Addresses,
    len: usize,
    brand: Brand<'t>,
}

/// That the transfer of one scope is over, and what was written.
#[derive(Debug)]
pub struct Finished<'t> {
    from: usize,
    to: usize,
    brand: Brand<'t>,
}

/// Makes a lifetime one that no other can stand for.
type Brand<'t> = PhantomData<fn(&'t ()) -> &'t ()>;

/// The segments of a transfer, whatever its machine.
trait Addresses: fmt::Debug {
    fn nth(&self, index: usize) -> Option<DmaRange>;
}

struct Of<'a, 'p, M: Machine, D: Direction>(&'a Transfer<'p, M, D, PARTS>);

impl<M: Machine, D: Direction> Addresses for Of<'_, '_, M, D> {
    fn nth(&self, index: usize) -> Option<DmaRange> {
        self.0.segments().nth(index)
    }
}

impl<M: Machine, D: Direction> fmt::Debug for Of<'_, '_, M, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.segments()).finish()
    }
}

impl<'t> InFlight<'t> {
    /// The addresses at which the device finds the bytes, in order.
    pub fn segments(&self) -> impl Iterator<Item = DmaRange> + Clone + '_ {
        (0..).map_while(|index| self.segments.nth(index))
    }

    /// The address, if there is one segment.
    #[must_use]
    pub fn segment(&self) -> Option<DmaRange> {
        single(self.segments())
    }

    /// Length in bytes, at least 1.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.len
    }

    /// States that the device has finished; if it writes, with all of the bytes.
    ///
    /// # Safety
    /// As [`Loan::sync_for_cpu`].
    #[must_use]
    pub unsafe fn finished(self) -> Finished<'t> {
        Finished {
            from: 0,
            to: self.len,
            brand: self.brand,
        }
    }

    /// States that the device has finished, and says that it wrote the first `written` bytes.
    ///
    /// # Errors
    /// [`Error::OverlongTransfer`] if it claims more than there are; what comes with it says that it has finished and
    /// written nothing.
    ///
    /// # Safety
    /// As [`Loan::sync_for_cpu`].
    pub unsafe fn finished_short(
        self,
        written: usize,
    ) -> Result<Finished<'t>, Refused<Finished<'t>>> {
        let buffer_len = self.len;
        let finished = |to| Finished {
            from: 0,
            to,
            brand: self.brand,
        };
        if written <= buffer_len {
            return Ok(finished(written));
        }
        let error = Error::OverlongTransfer {
            written,
            buffer_len,
        };
        Err(Refused::new(error, finished(0)))
    }
}

impl<M: Machine + Clone> Lender<'_, M> {
    /// Lends borrowed memory that the device reads, until `transfer` says that it has finished.
    ///
    /// A panic in `transfer` ends the program: there is no way to give the memory back.
    ///
    /// # Errors
    /// As [`lend_to`](Self::lend_to); then `transfer` was not called.
    #[track_caller]
    pub fn scope_to<R>(
        &self,
        memory: &[u8],
        transfer: impl for<'t> FnOnce(InFlight<'t>) -> (Finished<'t>, R),
    ) -> Result<R, Error> {
        self.scope::<ToDevice, R>(NonNull::from(memory), transfer, Location::caller())
    }

    /// Lends borrowed memory that the device writes, until `transfer` says that it has finished.
    ///
    /// A panic in `transfer` ends the program: there is no way to give the memory back.
    ///
    /// # Errors
    /// As [`lend_to`](Self::lend_to); then `transfer` was not called.
    #[track_caller]
    pub fn scope_from<R>(
        &self,
        memory: &mut [u8],
        transfer: impl for<'t> FnOnce(InFlight<'t>) -> (Finished<'t>, R),
    ) -> Result<R, Error> {
        self.scope::<FromDevice, R>(NonNull::from(memory), transfer, Location::caller())
    }

    /// Lends borrowed memory that the device reads and writes, until `transfer` says that it has finished.
    ///
    /// A panic in `transfer` ends the program: there is no way to give the memory back.
    ///
    /// # Errors
    /// As [`lend_to`](Self::lend_to); then `transfer` was not called.
    #[track_caller]
    pub fn scope_both<R>(
        &self,
        memory: &mut [u8],
        transfer: impl for<'t> FnOnce(InFlight<'t>) -> (Finished<'t>, R),
    ) -> Result<R, Error> {
        self.scope::<Bidirectional, R>(NonNull::from(memory), transfer, Location::caller())
    }

    fn scope<D: Direction, R>(
        &self,
        memory: NonNull<[u8]>,
        transfer: impl for<'t> FnOnce(InFlight<'t>) -> (Finished<'t>, R),
        caller: &'static Location<'static>,
    ) -> Result<R, Error> {
        // SAFETY: the memory is borrowed until this returns, which is not before the device has finished.
        let mut lent: Transfer<'_, M, D, PARTS> = unsafe { self.start_one(memory, caller) }?;
        let unfinished = Unfinished;
        let (len, addresses) = (lent.len, Of(&lent));
        let (finished, result) = transfer(InFlight {
            segments: &addresses,
            len,
            brand: PhantomData,
        });
        let _ = ManuallyDrop::new(unfinished);
        let Finished { from, to, brand: _ } = finished;
        // SAFETY: `finished` is of this very scope, and its maker promised that the device has finished.
        unsafe { lent.for_cpu(from, to, caller) };
        Ok(result)
    }
}

/// Dropped only by a panic while a device owns borrowed memory: the second panic aborts.
struct Unfinished;

impl Drop for Unfinished {
    fn drop(&mut self) {
        panic!("a panic while a device owns borrowed memory");
    }
}

fn single(mut segments: impl Iterator<Item = DmaRange>) -> Option<DmaRange> {
    let first = segments.next();
    first.filter(|_| segments.next().is_none())
}
