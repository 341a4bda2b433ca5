//! The three views of a byte: CPU pointer, physical address, DMA address, and the tables between them.
#![expect(unsafe_code, reason = "a region promises that its memory is mapped")]

use core::ptr::NonNull;

use crate::{
    addr::{DmaAddr, DmaRange, PhysAddr, PhysRange},
    error::Error,
};

/// Memory that a bus shows its devices: a range of physical addresses and where it begins for a device.
///
/// The device tree's `dma-ranges` is a table of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    phys: PhysRange,
    /// Invariant: as long as `phys`.
    dma: DmaRange,
}

impl Window {
    /// `len` bytes that have the physical addresses from `phys` on and the DMA addresses from `dma` on.
    ///
    /// # Errors
    /// [`Error::ZeroLength`]; [`Error::RangeWraps`] for either side.
    pub const fn new(phys: PhysAddr, dma: DmaAddr, len: u64) -> Result<Self, Error> {
        match (PhysRange::new(phys, len), DmaRange::new(dma, len)) {
            (Ok(phys), Ok(dma)) => Ok(Self { phys, dma }),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// `len` bytes whose DMA addresses are their physical addresses.
    ///
    /// # Errors
    /// [`Error::ZeroLength`]; [`Error::RangeWraps`].
    pub const fn identity(phys: PhysAddr, len: u64) -> Result<Self, Error> {
        Self::new(phys, DmaAddr::new(phys.get()), len)
    }

    /// Its physical addresses.
    #[must_use]
    pub const fn phys(&self) -> PhysRange {
        self.phys
    }

    /// Its DMA addresses.
    #[must_use]
    pub const fn dma(&self) -> DmaRange {
        self.dma
    }

    /// What is added (wrapping) to a physical address in the window to get the DMA address.
    #[must_use]
    pub const fn bus_offset(&self) -> u64 {
        self.dma.start().get().wrapping_sub(self.phys.start().get())
    }
}

/// A checked table of [`Window`]s: what a bus shows its devices, all of it.
#[derive(Clone, Copy, Debug)]
pub struct BusMap<'a> {
    /// Invariant: ascending by physical address; neither physical nor DMA ranges overlap.
    windows: &'a [Window],
}

impl<'a> BusMap<'a> {
    /// Checks a table, which is to be in ascending order of physical address.
    ///
    /// # Errors
    /// [`Error::NoWindows`]; [`Error::WindowOrder`] if two are out of order or overlap on either side.
    pub const fn new(windows: &'a [Window]) -> Result<Self, Error> {
        if windows.is_empty() {
            return Err(Error::NoWindows);
        }
        let mut rest = windows;
        let mut first = 0;
        while let [window, others @ ..] = rest {
            let mut distance = 0;
            let mut later = others;
            while let [other, after @ ..] = later {
                distance = step(distance);
                let in_order = window.phys.last().get() < other.phys.start().get();
                if !in_order || window.dma.overlaps(other.dma) {
                    return Err(Error::WindowOrder {
                        first,
                        second: plus(first, distance),
                    });
                }
                later = after;
            }
            first = step(first);
            rest = others;
        }
        Ok(Self { windows })
    }

    /// A table of one window, in which nothing can be wrong.
    #[must_use]
    pub const fn one(window: &'a Window) -> Self {
        Self {
            windows: core::slice::from_ref(window),
        }
    }

    /// The windows, in ascending order of physical address.
    #[must_use]
    pub const fn windows(&self) -> &'a [Window] {
        self.windows
    }

    /// The DMA addresses of a physical range, every byte of which must lie in one window.
    ///
    /// # Errors
    /// [`Error::NotInWindow`].
    pub fn to_dma(&self, phys: PhysRange) -> Result<DmaRange, Error> {
        let missing = Error::NotInWindow {
            first: phys.start().get(),
            last: phys.last().get(),
        };
        let window = self
            .windows
            .iter()
            .find(|w| w.phys.contains(phys))
            .ok_or(missing)?;
        let dma = phys.start().get().wrapping_add(window.bus_offset());
        DmaRange::new(DmaAddr::new(dma), phys.len_bytes())
    }

    /// As many of the bytes as lie in one window, or in none: how many, and where the device sees them.
    pub(crate) fn stretch(&self, phys: PhysRange) -> (u64, Option<DmaRange>) {
        let (first, last) = (phys.start().get(), phys.last().get());
        let ranges = self.windows.iter().map(|window| window.phys);
        let (len, shown) = stretch(ranges, first, last, |phys| (phys.start().get(), phys));
        let dma = shown.and_then(|_| {
            let front = PhysRange::new(phys.start(), len).ok()?;
            self.to_dma(front).ok()
        });
        (len, dma)
    }

    /// The physical addresses of a DMA range, every byte of which must lie in one window.
    ///
    /// # Errors
    /// [`Error::NotInWindow`].
    pub fn to_phys(&self, dma: DmaRange) -> Result<PhysRange, Error> {
        let missing = Error::NotInWindow {
            first: dma.start().get(),
            last: dma.last().get(),
        };
        let window = self
            .windows
            .iter()
            .find(|w| w.dma.contains(dma))
            .ok_or(missing)?;
        let phys = dma.start().get().wrapping_sub(window.bus_offset());
        PhysRange::new(PhysAddr::new(phys), dma.len_bytes())
    }
}

const fn step(index: usize) -> usize {
    plus(index, 1)
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "an index into a slice that exists"
)]
const fn plus(index: usize, distance: usize) -> usize {
    index + distance
}

/// Memory the CPU sees, cached, at one fixed distance from its physical address.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Invariant: as many bytes as `phys` has are mapped from here on, and do not wrap.
    cpu: NonNull<u8>,
    phys: PhysRange,
}

impl Region {
    /// `len` bytes from `cpu` on, which have the physical addresses from `phys` on.
    ///
    /// # Errors
    /// [`Error::ZeroLength`]; [`Error::RangeWraps`] for the physical addresses.
    ///
    /// # Safety
    /// For as long as the value or a copy of it exists, the bytes are mapped from `cpu` on, without wrapping, contiguous and
    /// cacheable in the way the machine's [`DmaSync`](crate::DmaSync) maintains, and `cpu` may be used to access
    /// all of them.
    pub const unsafe fn new(cpu: NonNull<u8>, phys: PhysAddr, len: usize) -> Result<Self, Error> {
        match PhysRange::new(phys, len as u64) {
            Ok(phys) => Ok(Self { cpu, phys }),
            Err(error) => Err(error),
        }
    }

    /// The bytes of `phys` where the CPU sees each at its physical address plus `offset` (wrapping, in bytes): a
    /// kernel's linear map, a fixed segment, or with 0 an identity map.
    ///
    /// # Errors
    /// [`Error::NotInDirectMap`], as [`pointer_at_offset`] decides.
    ///
    /// # Safety
    /// As [`new`](Self::new) for the memory at that address; and its pointers' provenance was exposed if it was ever a
    /// Rust object.
    pub const unsafe fn at_offset(phys: PhysRange, offset: usize) -> Result<Self, Error> {
        match pointer_at_offset(phys, offset) {
            Ok(cpu) => Ok(Self { cpu, phys }),
            Err(error) => Err(error),
        }
    }

    /// Where the CPU sees the first byte.
    #[must_use]
    pub const fn cpu(&self) -> NonNull<u8> {
        self.cpu
    }

    /// The physical addresses.
    #[must_use]
    pub const fn phys(&self) -> PhysRange {
        self.phys
    }

    fn cpu_start(&self) -> u64 {
        self.cpu.addr().get() as u64
    }
}

/// The CPU pointer to the first byte of `phys` where each byte is seen at its physical address plus `offset` (wrapping,
/// in bytes).
///
/// It is made from a number, so its provenance is what was exposed at that address.
///
/// # Errors
/// [`Error::NotInDirectMap`] with the physical addresses if a byte would lie at the null pointer, behind the CPU's
/// last address, or beyond what a pointer can hold.
pub const fn pointer_at_offset(phys: PhysRange, offset: usize) -> Result<NonNull<u8>, Error> {
    let (first, last) = (phys.start().get(), phys.last().get());
    let missing = Error::NotInDirectMap { first, last };
    if last > usize::MAX as u64 {
        return Err(missing);
    }
    #[expect(clippy::cast_possible_truncation, reason = "both were just compared")]
    let (start, end) = (
        (first as usize).wrapping_add(offset),
        (last as usize).wrapping_add(offset),
    );
    match NonNull::new(core::ptr::with_exposed_provenance_mut(start)) {
        Some(pointer) if start <= end => Ok(pointer),
        _ => Err(missing),
    }
}

// SAFETY: a region is two numbers and a length; what may be done with the memory is not its business.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// A checked table of [`Region`]s: what the CPU sees of memory at fixed distances.
#[derive(Clone, Copy, Debug)]
pub struct DirectMap<'a> {
    /// Invariant: ascending by physical address, without overlap.
    regions: &'a [Region],
}

impl<'a> DirectMap<'a> {
    /// Checks a table, which is to be in ascending order of physical address.
    ///
    /// # Errors
    /// [`Error::NoWindows`]; [`Error::WindowOrder`] if two are out of order or overlap.
    pub const fn new(regions: &'a [Region]) -> Result<Self, Error> {
        if regions.is_empty() {
            return Err(Error::NoWindows);
        }
        let mut rest = regions;
        let mut first = 0;
        while let [region, others @ ..] = rest {
            if let [next, ..] = others
                && region.phys.last().get() >= next.phys.start().get()
            {
                return Err(Error::WindowOrder {
                    first,
                    second: step(first),
                });
            }
            first = step(first);
            rest = others;
        }
        Ok(Self { regions })
    }

    /// A table of one region, in which nothing can be wrong.
    #[must_use]
    pub const fn one(region: &'a Region) -> Self {
        Self {
            regions: core::slice::from_ref(region),
        }
    }

    /// The physical addresses of memory that lies in one region from end to end.
    ///
    /// # Errors
    /// [`Error::ZeroLength`]; [`Error::RangeWraps`]; [`Error::NotInDirectMap`].
    pub fn to_phys(&self, memory: NonNull<[u8]>) -> Result<PhysRange, Error> {
        let start = memory.cast::<u8>().addr().get() as u64;
        // Any address space will do for the arithmetic of CPU addresses.
        let wanted = PhysRange::new(PhysAddr::new(start), memory.len() as u64)?;
        let missing = Error::NotInDirectMap {
            first: start,
            last: wanted.last().get(),
        };
        self.regions
            .iter()
            .find_map(|region| {
                let offset = start.checked_sub(region.cpu_start())?;
                let phys = region.phys.start().checked_add(offset)?;
                let phys = PhysRange::new(phys, wanted.len_bytes()).ok()?;
                region.phys.contains(phys).then_some(phys)
            })
            .ok_or(missing)
    }

    /// As many of the bytes as lie in one region, or in none: how many, and where they physically are.
    pub(crate) fn stretch(&self, memory: NonNull<[u8]>) -> (u64, Option<PhysRange>) {
        let first = memory.cast::<u8>().addr().get() as u64;
        let last = first.saturating_add((memory.len() as u64).saturating_sub(1));
        let regions = self.regions.iter();
        let (len, region) = stretch(regions, first, last, |region| {
            (region.cpu_start(), region.phys)
        });
        let phys = region.and_then(|region| {
            let offset = first.wrapping_sub(region.cpu_start());
            let start = region.phys.start().checked_add(offset)?;
            PhysRange::new(start, len).ok()
        });
        (len, phys)
    }

    /// Where the CPU sees a physical range that lies in one region from end to end.
    ///
    /// The pointer has the provenance of the region's own. Whether it may be dereferenced is a question of who
    /// owns the memory.
    ///
    /// # Errors
    /// [`Error::NotInDirectMap`].
    pub fn to_cpu(&self, phys: PhysRange) -> Result<NonNull<[u8]>, Error> {
        let (first, last) = (phys.start().get(), phys.last().get());
        let missing = Error::NotInDirectMap { first, last };
        let region = self
            .regions
            .iter()
            .find(|r| r.phys.contains(phys))
            .ok_or(missing)?;
        let offset = first.wrapping_sub(region.phys.start().get());
        let (Ok(offset), Ok(len)) = (usize::try_from(offset), usize::try_from(phys.len_bytes()))
        else {
            return Err(missing);
        };
        // A region may be longer than `add` may step over; inside it nothing wraps.
        let start = NonNull::new(region.cpu.as_ptr().wrapping_add(offset)).ok_or(missing)?;
        Ok(NonNull::slice_from_raw_parts(start, len))
    }
}

/// Of the bytes from `first` to `last`, how many at the front lie in one of the entries, and in which; or in none, up to
/// where the next entry begins. `place` says where an entry begins in these addresses, and how long it is.
fn stretch<T: Copy>(
    entries: impl Iterator<Item = T>,
    first: u64,
    last: u64,
    place: impl Fn(T) -> (u64, PhysRange),
) -> (u64, Option<T>) {
    let steps = last.wrapping_sub(first);
    let mut next = steps;
    for entry in entries {
        let (start, range) = place(entry);
        match first.checked_sub(start) {
            Some(offset) if offset < range.len_bytes() => {
                let inside = range.len_bytes().wrapping_sub(offset).wrapping_sub(1);
                return (steps.min(inside).saturating_add(1), Some(entry));
            }
            Some(_) => {}
            None => next = next.min(start.wrapping_sub(first).wrapping_sub(1)),
        }
    }
    (next.saturating_add(1), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(phys: u64, dma: u64, len: u64) -> Window {
        Window::new(PhysAddr::new(phys), DmaAddr::new(dma), len).unwrap()
    }

    fn phys(start: u64, len: u64) -> PhysRange {
        PhysRange::new(PhysAddr::new(start), len).unwrap()
    }

    fn dma(start: u64, len: u64) -> DmaRange {
        DmaRange::new(DmaAddr::new(start), len).unwrap()
    }

    #[test]
    fn a_window_is_not_empty_and_wraps_on_neither_side() {
        let top = u64::MAX - 0xfff;
        let make = |p, d, len| Window::new(PhysAddr::new(p), DmaAddr::new(d), len);

        assert_eq!(make(0, 0, 0), Err(Error::ZeroLength));
        let wraps = Err(Error::RangeWraps {
            start: top,
            len: 0x1001,
        });
        assert_eq!(make(top, 0, 0x1001), wraps);
        assert_eq!(make(0, top, 0x1001), wraps);
        assert!(make(top, top, 0x1000).is_ok());
    }

    #[test]
    fn an_identity_window_shows_memory_where_it_is() {
        let identity = Window::identity(PhysAddr::new(0x8000), 16).unwrap();

        assert_eq!(identity, window(0x8000, 0x8000, 16));
        assert_eq!(identity.bus_offset(), 0);
    }

    #[test]
    fn a_table_of_windows_is_in_order_and_overlaps_on_neither_side() {
        let check = |windows: &[Window]| BusMap::new(windows).map(|_| ());
        let order = |first, second| Err(Error::WindowOrder { first, second });

        assert_eq!(check(&[]), Err(Error::NoWindows));
        assert_eq!(check(&[window(0, 0, 16), window(16, 32, 16)]), Ok(()));
        assert_eq!(check(&[window(0, 0, 17), window(16, 32, 16)]), order(0, 1));
        assert_eq!(check(&[window(16, 0, 16), window(0, 32, 16)]), order(0, 1));
        assert_eq!(check(&[window(0, 0, 16), window(16, 15, 16)]), order(0, 1));
        let third = [window(0, 64, 16), window(16, 0, 16), window(32, 79, 16)];
        assert_eq!(check(&third), order(0, 2));
    }

    #[test]
    fn a_range_is_translated_both_ways_and_only_as_a_whole() {
        // As on a Raspberry Pi 3: memory from 0 on is seen by devices from 0xc000_0000 on; and a window that
        // goes the other way.
        let windows = [
            window(0, 0xc000_0000, 0x4000_0000),
            window(0x8000_0000, 0, 0x1000),
        ];
        let bus = BusMap::new(&windows).unwrap();

        assert_eq!(bus.to_dma(phys(0x1000, 16)), Ok(dma(0xc000_1000, 16)));
        assert_eq!(bus.to_phys(dma(0xc000_1000, 16)), Ok(phys(0x1000, 16)));
        assert_eq!(bus.to_dma(phys(0x8000_0ff0, 16)), Ok(dma(0xff0, 16)));
        assert_eq!(bus.to_phys(dma(0xff0, 16)), Ok(phys(0x8000_0ff0, 16)));

        let end = Error::NotInWindow {
            first: 0x8000_0ff0,
            last: 0x8000_1000,
        };
        assert_eq!(bus.to_dma(phys(0x8000_0ff0, 17)), Err(end));
        let end = Error::NotInWindow {
            first: 0xff0,
            last: 0x1000,
        };
        assert_eq!(bus.to_phys(dma(0xff0, 17)), Err(end));
        let start = Error::NotInWindow {
            first: 0x7fff_ffff,
            last: 0x8000_0000,
        };
        assert_eq!(bus.to_dma(phys(0x7fff_ffff, 2)), Err(start));
    }

    #[test]
    fn memory_at_an_offset_is_neither_at_the_null_pointer_nor_behind_the_last_address() {
        let at = |range, offset| pointer_at_offset(range, offset).map(|p| p.addr().get());
        let missing = |range: PhysRange| {
            Err(Error::NotInDirectMap {
                first: range.start().get(),
                last: range.last().get(),
            })
        };
        let memory = phys(0x8000_0000, 0x1000);
        assert_eq!(at(memory, 0), Ok(0x8000_0000));
        assert_eq!(at(memory, 0x1000), Ok(0x8000_1000));
        assert_eq!(at(memory, 0x1000_usize.wrapping_neg()), Ok(0x7fff_f000));

        let zero = phys(0, 0x1000);
        assert_eq!(at(zero, 0), missing(zero));
        assert_eq!(at(zero, 0x1000), Ok(0x1000));
        let top = phys(usize::MAX as u64 - 0xfff, 0x1000);
        assert_eq!(at(top, 0), Ok(usize::MAX - 0xfff));
        assert_eq!(at(top, 1), missing(top));
        if usize::BITS == 32 {
            let beyond = phys(0xffff_f000, 0x1001);
            assert_eq!(at(beyond, 0), missing(beyond));
        }
    }

    #[test]
    fn the_direct_map_goes_both_ways_and_keeps_to_its_regions() {
        let mut memory = [0_u8; 64];
        let cpu = NonNull::from(&mut memory).cast::<u8>();
        let at = |offset, len| {
            let start = NonNull::new(cpu.as_ptr().wrapping_add(offset)).unwrap();
            NonNull::slice_from_raw_parts(start, len)
        };
        // SAFETY: the array is mapped for as long as the region is used; nothing is accessed through it.
        let region = unsafe { Region::new(cpu, PhysAddr::new(0x4000), 64) }.unwrap();
        let regions = [region];
        let map = DirectMap::new(&regions).unwrap();

        assert_eq!(map.to_phys(at(16, 48)), Ok(phys(0x4010, 48)));
        assert_eq!(map.to_cpu(phys(0x4010, 48)), Ok(at(16, 48)));

        let first = cpu.addr().get() as u64;
        let behind = Error::NotInDirectMap {
            first: first + 16,
            last: first + 64,
        };
        assert_eq!(map.to_phys(at(16, 49)), Err(behind));
        let behind = Error::NotInDirectMap {
            first: 0x4010,
            last: 0x4040,
        };
        assert_eq!(map.to_cpu(phys(0x4010, 49)), Err(behind));
        assert_eq!(map.to_phys(at(0, 0)), Err(Error::ZeroLength));

        // SAFETY: as above.
        let upper = unsafe { Region::new(at(16, 48).cast(), PhysAddr::new(0x4010), 48) }.unwrap();
        let before = Error::NotInDirectMap {
            first,
            last: first + 15,
        };
        assert_eq!(DirectMap::one(&upper).to_phys(at(0, 16)), Err(before));

        let twice = [region, region];
        let order = Error::WindowOrder {
            first: 0,
            second: 1,
        };
        assert_eq!(DirectMap::new(&twice).map(|_| ()), Err(order));
        assert_eq!(DirectMap::new(&[]).map(|_| ()), Err(Error::NoWindows));
    }
}
