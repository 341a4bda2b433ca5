//! What pools are compared with: it knows nothing but which bytes are taken, and tries every place.

pub(crate) mod ram;

use core::ops::Range;

use dma_api::{Alignment, Error, PhysAddr, Request};
use ram::request;

/// A pool's memory, in numbers.
pub(crate) struct Model {
    /// Physical address of the first byte.
    pub(crate) base: u64,
    pub(crate) unit: usize,
    pub(crate) units: usize,
    /// Offsets of the bytes of blocks that are handed out.
    pub(crate) taken: Vec<Range<usize>>,
}

impl Model {
    pub(crate) fn len(&self) -> usize {
        self.unit * self.units
    }

    pub(crate) fn at(&self, offset: usize) -> PhysAddr {
        PhysAddr::new(self.base.wrapping_add(offset as u64))
    }

    /// Whether the bytes meet the request. In the model numbers are as long as they need to be.
    fn meets(&self, request: &Request, bytes: &Range<usize>) -> bool {
        let wrap = 1_u128 << 64;
        let first = u128::from(self.base) + bytes.start as u128;
        let last = u128::from(self.base) + bytes.end as u128 - 1;
        let offset = u128::from(request.bus_offset);
        let device_first = (first + offset) % wrap;
        let device_last = device_first + (last - first);
        let boundary = request.boundary.map_or(u128::MAX, |b| u128::from(b.get()));
        first >= u128::from(request.lowest.get())
            && last <= u128::from(request.highest.get())
            && device_first.is_multiple_of(u128::from(request.alignment.get()))
            && device_first / boundary == device_last / boundary
    }

    /// The places at which a request fits, in ascending order, however much is taken.
    pub(crate) fn places(&self, request: &Request) -> impl Iterator<Item = Range<usize>> {
        let len = request.len.get().div_ceil(self.unit) * self.unit;
        (0..self.units)
            .map(move |unit| unit * self.unit..unit * self.unit + len)
            .filter(move |bytes| bytes.end <= self.len() && self.meets(request, bytes))
    }

    pub(crate) fn is_free(&self, bytes: &Range<usize>) -> bool {
        let apart = |other: &Range<usize>| other.end <= bytes.start || bytes.end <= other.start;
        self.taken.iter().all(apart)
    }

    /// Free bytes, and those of the longest run.
    pub(crate) fn free(&self) -> (usize, usize) {
        let (mut sum, mut run, mut longest) = (0, 0, 0);
        for unit in 0..self.units {
            let free = self.is_free(&(unit * self.unit..(unit + 1) * self.unit));
            run = if free { run + self.unit } else { 0 };
            sum += if free { self.unit } else { 0 };
            longest = longest.max(run);
        }
        (sum, longest)
    }

    /// The lowest place for a request, or why there is none.
    pub(crate) fn expected(&self, request: &Request) -> Result<Range<usize>, Error> {
        let place = self.places(request).find(|bytes| self.is_free(bytes));
        place.ok_or_else(|| self.refusal(request))
    }

    /// Why a request is refused if it is.
    pub(crate) fn refusal(&self, request: &Request) -> Error {
        let len = request.len.get();
        match self.places(request).next() {
            Some(_) => Error::Exhausted {
                len,
                largest_free: self.free().1,
            },
            None => Error::NeverFits {
                len,
                capacity: self.len(),
            },
        }
    }
}

/// A request in units and fractions of a pool, to be made to fit its size.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) len: (usize, usize),
    pub(crate) alignment: Option<u32>,
    pub(crate) boundary: Option<u32>,
    pub(crate) window: Option<(usize, usize)>,
    pub(crate) bus_offset: (u64, u64),
}

impl Wish {
    /// Powers are below 32.
    pub(crate) fn of(&self, model: &Model) -> Request {
        let unit = model.unit;
        let len = self.len.0 * unit + self.len.1 % unit + 1;
        // From a quarter of a unit to many of them.
        let power = |bits: u32| Alignment::new((unit as u64 >> 2) << bits).unwrap();
        let mut request = request(len);
        request.alignment = self.alignment.map_or(Alignment::ONE, power);
        request.boundary = self.boundary.map(power);
        if let Some((one, two)) = self.window {
            // A little before the memory, inside, or a little behind it.
            let edge = |n: usize| {
                let offset = (n % (model.len() + 2 * unit)) as i64 - unit as i64;
                let limit = if offset < 0 { 0 } else { u64::MAX };
                PhysAddr::new(model.base.checked_add_signed(offset).unwrap_or(limit))
            };
            (request.lowest, request.highest) = (edge(one.min(two)), edge(one.max(two)));
        }
        let (units, fraction) = self.bus_offset;
        request.bus_offset = units.wrapping_mul(unit as u64).wrapping_add(fraction);
        request
    }
}
