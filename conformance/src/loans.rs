//! Loans: memory of somebody else's is lent where it lies, in as many segments as it takes, or through slots of a pool,
//! and only its own bytes change hands.
#![expect(
    unsafe_code,
    reason = "a check lends memory of its own, and states that its engine is done"
)]

use dma_api::{
    Device, DmaAddr, Error, FromDevice, Lender, Limits, Loan, Machine, Policy, ToDevice,
};

use crate::{
    engine::{Engine, part, write},
    others::{Others, Slots, len_of, seen_through, take_back, write_through},
    report::{Run, equal, pattern, refused},
};

pub(crate) fn a_loan_is_seen_by_the_device_wherever_it_lies<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let others = Others::new(device)?;
    let lender = Lender::without_bounce(device);
    for own in others.places() {
        for salt in [1, 2] {
            others.store(&own, salt);
            let loan = others.lend::<ToDevice>(&lender, &own)?;
            let found = seen_through(engine, loan.segments(), own.len(), pattern(salt));
            take_back(loan);
            found?;
            others.holds(&own, salt, pattern(salt))?;
        }
    }
    others.bare.give_back()
}

/// Neighbours store while the device owns the loan; a transfer that ends early leaves the rest to the owner; and
/// nothing of either is lost from memory.
pub(crate) fn a_loan_is_written_by_the_device_and_its_neighbours_are_not<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let others = Others::new(device)?;
    let pool = Slots::new(device, others.unit.saturating_mul(4), others.unit)?;
    let (lender, in_place) = (Lender::new(device, &pool)?, Lender::without_bounce(device));
    for own in others.places() {
        for written in [own.len(), own.len() / 2, 0] {
            others.store(&own, 3);
            let loan = others.lend::<FromDevice>(&lender, &own)?;
            others.store_beside(&own, 4);
            let wrote = write_through(engine, loan.segments(), written, pattern(5));
            // SAFETY: the engine has written what it was told to, and does nothing by itself.
            let ended = unsafe { loan.sync_for_cpu_short(written) };
            wrote?;
            ended.map_err(|refused| refused.error)?;

            let mixed = |index| pattern(if index < written { 5 } else { 3 })(index);
            others.holds(&own, 4, mixed)?;
            let all = others.all();
            let loan = others.lend::<ToDevice>(&in_place, &all)?;
            let found = seen_through(engine, loan.segments(), all.len(), |index| {
                let offset = others.first.saturating_add(index);
                if own.contains(&offset) {
                    mixed(offset.saturating_sub(own.start))
                } else {
                    !4
                }
            });
            take_back(loan);
            found?;
        }
    }
    equal("in use at the end", pool.counts().in_use as u64, 0)?;
    drop(pool);
    others.bare.give_back()
}

/// A device whose addresses end below the memory, or begin above it.
pub(crate) fn a_loan_out_of_reach_bounces<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let others = Others::new(device)?;
    let (narrowed, pool) = others.elsewhere(device, 4, others.unit)?;
    let lender = Lender::new(&narrowed, &pool)?;
    for own in others.places() {
        others.store(&own, 6);
        let strict = lender.clone().with_policy(Policy::Reject);
        refused(
            "memory out of reach, in place",
            others.lend::<ToDevice>(&strict, &own).map(take_back),
            |error| {
                matches!(
                    error,
                    Error::BelowLowest { .. } | Error::AboveHighest { .. }
                )
            },
        )?;

        let loan = others.lend::<ToDevice>(&lender, &own)?;
        let within = loan
            .segments()
            .try_for_each(|segment| narrowed.limits().check(segment));
        let bounced = loan.cost().bytes_bounced;
        let found = seen_through(engine, loan.segments(), own.len(), pattern(6));
        take_back(loan);
        within?;
        found?;
        equal("bytes bounced", bounced as u64, own.len() as u64)?;

        let loan = others.lend::<FromDevice>(&lender, &own)?;
        others.store_beside(&own, 7);
        let wrote = write_through(engine, loan.segments(), own.len(), pattern(8));
        take_back(loan);
        wrote?;
        others.holds(&own, 7, pattern(8))?;
    }
    equal("in use at the end", pool.counts().in_use as u64, 0)?;
    drop(pool);
    others.bare.give_back()
}

/// As many loans as there are slots; one more is an error, until one of them ends, or its device is known to be quiet.
pub(crate) fn a_bounce_pool_is_exhausted_and_comes_back<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let others = Others::new(device)?;
    let unit = others.unit;
    let (narrowed, pool) = others.elsewhere(device, 4, unit)?;
    let lender = Lender::new(&narrowed, &pool)?;
    let lend = |index: usize| {
        let own = others.bytes(index.saturating_mul(unit).saturating_add(3), unit / 2);
        others.lend::<FromDevice>(&lender, &own)
    };
    let in_use = || pool.counts().in_use as u64;
    others.store(&others.all(), 9);
    for _ in 0..2 {
        let loans = [lend(0)?, lend(1)?, lend(2)?, lend(3)?];
        for (index, loan) in loans.iter().enumerate() {
            let segment = loan.segment().ok_or(Error::ZeroLength)?;
            for other in loans.iter().skip(index.saturating_add(1)) {
                let apart = other
                    .segments()
                    .all(|other| other.last() < segment.start() || segment.last() < other.start());
                equal("in no other loan's slot", u64::from(apart), 1)?;
            }
        }
        equal("in use", in_use(), (unit as u64).saturating_mul(4))?;
        refused("one loan more", lend(4).map(take_back), |error| {
            matches!(
                error,
                Error::Exhausted {
                    largest_free: 0,
                    ..
                }
            )
        })?;
        let [first, second, third, fourth] = loans;
        let place = first.segment();
        take_back(first);
        let again = lend(4)?;
        equal(
            "in the slot that came back",
            u64::from(again.segment() == place),
            1,
        )?;
        for loan in [second, third, fourth] {
            take_back(loan);
        }

        drop(again);
        equal("quarantined", pool.counts().quarantined as u64, unit as u64)?;
        // SAFETY: the check told no device an address.
        let released = unsafe { device.assert_quiet() }.release_bounced(&pool);
        equal("released", released as u64, 1)?;
        equal("in use at the end", in_use(), 0)?;
    }
    let long = others.bytes(0, unit.saturating_mul(4).saturating_add(1));
    refused(
        "a loan longer than the pool",
        others.lend::<ToDevice>(&lender, &long).map(take_back),
        |error| matches!(error, Error::NeverFits { .. }),
    )?;
    others.holds(&others.all(), 9, pattern(9))?;
    drop(pool);
    others.bare.give_back()
}

/// A device writes less than it claims, in slots that were another owner's: whoever looks finds the owner's own bytes.
pub(crate) fn nothing_of_a_former_loan_is_seen<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let others = Others::new(device)?;
    let unit = others.unit;
    let (narrowed, pool) = others.elsewhere(device, 4, unit)?;
    let lender = Lender::new(&narrowed, &pool)?;
    let former = others.bytes(0, unit.saturating_mul(4));
    for own in others.places() {
        others.store(&former, 10);
        let loan = others.lend::<FromDevice>(&lender, &former)?;
        let slots = loan.segment().ok_or(Error::ZeroLength)?;
        let wrote = write(engine, slots, |_| 0xee);
        take_back(loan);
        wrote?;
        others.holds(&former, 10, |_| 0xee)?;

        others.store(&own, 11);
        let loan = others.lend::<FromDevice>(&lender, &own)?;
        let inside = loan
            .segments()
            .all(|segment| slots.start() <= segment.start() && segment.last() <= slots.last());
        let wrote = write_through(engine, loan.segments(), own.len() / 3, pattern(12));
        take_back(loan);
        wrote?;
        equal("in the former owner's slots", u64::from(inside), 1)?;
        others.holds(&own, 11, |index| {
            pattern(if index < own.len() / 3 { 12 } else { 11 })(index)
        })?;
    }
    drop(pool);
    others.bare.give_back()
}

/// For a device with pages of four units; and what it does not write is still the owner's.
pub(crate) fn a_bounced_loan_keeps_its_offset_in_the_page<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let others = Others::new(device)?;
    let page = (others.unit as u64).saturating_mul(4);
    let (narrowed, pool) = others.elsewhere(device, 2, others.unit.saturating_mul(4))?;
    let paged = narrowed.narrowed(Limits::UNLIMITED.page(page)?)?;
    let lender = Lender::new(&paged, &pool)?;
    let in_page = |addr: DmaAddr| addr.get() & page.saturating_sub(1);
    for own in others.places() {
        others.store(&own, 13);
        let loan = others.lend::<FromDevice>(&lender, &own)?;
        let first = loan
            .segments()
            .next()
            .map(|segment| in_page(segment.start()));
        let len = loan.segments().map(len_of).fold(0, usize::saturating_add);
        let within = loan
            .segments()
            .try_for_each(|segment| paged.limits().check(segment));
        take_back(loan);
        within?;
        let at_home = in_page(others.bare.segment(&own)?.start());
        equal("offset in the page", first.unwrap_or(page), at_home)?;
        equal("bytes in segments", len as u64, own.len() as u64)?;
        others.holds(&own, 13, pattern(13))?;
    }
    drop(pool);
    others.bare.give_back()
}

/// Length, boundary and count; a count that is too small is an error, behind which everything is as it was.
pub(crate) fn a_loan_is_cut_into_the_segments_a_device_takes<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let others = Others::new(device)?;
    let (unit, half) = (others.unit, others.unit / 2);
    let own = others.bytes(5, unit.saturating_mul(5).saturating_add(3));
    // Cut where a segment is a unit and a half long, and at multiples of two units.
    let ends = [
        unit.saturating_add(half),
        unit.saturating_mul(2).saturating_sub(5),
        unit.saturating_mul(3)
            .saturating_add(half)
            .saturating_sub(5),
        unit.saturating_mul(4).saturating_sub(5),
        own.len(),
    ];
    let limits = Limits::UNLIMITED
        .max_segment_len(unit.saturating_add(half) as u64)?
        .boundary((unit as u64).saturating_mul(2))?;
    let before = device.machine().ledger().counts();
    others.store(&own, 14);

    let enough = device.narrowed(limits.max_segments(5)?)?;
    let loan = others.lend::<ToDevice>(&Lender::without_bounce(&enough), &own)?;
    let mut start: usize = 0;
    let mut count: u64 = 0;
    for (segment, end) in loan.segments().zip(ends) {
        let expected = part(others.bare.segment(&own)?, start, end.saturating_sub(start))?;
        equal(
            "start of a segment",
            segment.start().get(),
            expected.start().get(),
        )?;
        equal(
            "last byte of a segment",
            segment.last().get(),
            expected.last().get(),
        )?;
        (start, count) = (end, count.saturating_add(1));
    }
    equal("segments", loan.segments().count() as u64, count)?;
    equal("segments as they should be", count, 5)?;
    take_back(loan);

    let fewer = device.narrowed(limits.max_segments(2)?)?;
    let pool = Slots::new(device, unit.saturating_mul(4), unit)?;
    for lender in [Lender::without_bounce(&fewer), Lender::new(&fewer, &pool)?] {
        refused(
            "more segments than the device takes",
            others.lend::<ToDevice>(&lender, &own).map(take_back),
            |error| {
                matches!(
                    error,
                    Error::TooManySegments { max: 2, .. } | Error::NeverFits { .. }
                )
            },
        )?;
    }
    equal("in use at the end", pool.counts().in_use as u64, 0)?;
    drop(pool);
    let after = device.machine().ledger().counts();
    equal("the ledger as before", u64::from(before == after), 1)?;
    others.holds(&own, 14, pattern(14))?;
    others.bare.give_back()
}

/// Three buffers, two of them adjacent: one transfer in two segments.
pub(crate) fn a_list_of_buffers_is_one_transfer<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let others = Others::new(device)?;
    let unit = others.unit;
    let lender = Lender::without_bounce(device);
    let list = [
        others.bytes(unit, unit),
        others.bytes(unit.saturating_mul(2), unit),
        others.bytes(unit.saturating_mul(4), unit.saturating_mul(2)),
    ];
    let len = unit.saturating_mul(4);
    // Where in the transfer a byte of theirs is.
    let index = |offset: usize| {
        let mut before: usize = 0;
        list.iter().find_map(|bytes| {
            let at = bytes
                .contains(&offset)
                .then(|| before.saturating_add(offset.saturating_sub(bytes.start)));
            before = before.saturating_add(bytes.len());
            at
        })
    };
    let memory = list.each_ref().map(|bytes| others.bare.memory(bytes));
    let value = |salt| move |at: Option<usize>| at.map_or(0x77, pattern(salt));

    others.bare.store(&others.all(), |at| value(15)(index(at)));
    // SAFETY: the bytes are the check's, which neither loads nor stores them before it has them back.
    let loan: Loan<'_, M, ToDevice, (), 3> = unsafe { lender.lend_list(&memory) }?;
    let segments = loan.segments().count();
    let found = seen_through(engine, loan.segments(), len, pattern(15));
    take_back(loan);
    found?;
    equal("segments", segments as u64, 2)?;

    // SAFETY: as above.
    let loan: Loan<'_, M, FromDevice, (), 3> = unsafe { lender.lend_list(&memory) }?;
    let wrote = write_through(engine, loan.segments(), len, pattern(16));
    take_back(loan);
    wrote?;
    let held = others.bare.holds("a list of buffers", &others.all(), |at| {
        value(16)(index(at))
    });
    held?;

    // SAFETY: as above.
    let short = unsafe { lender.lend_list::<ToDevice, 2>(&memory) };
    refused("more buffers than places", short.map(take_back), |error| {
        *error == Error::TooManyParts { capacity: 2 }
    })?;
    others.bare.give_back()
}
