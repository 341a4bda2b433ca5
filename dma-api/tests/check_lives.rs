//! Drivers that do nothing wrong, in any order, on a checked machine: it finds nothing, whatever the size of its table, and
//! follows exactly what there is if that is large enough.
#![expect(
    unsafe_code,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test states that its engine is done, calculates, and panics"
)]

use core::{cell::Cell, ptr::NonNull};

use dma_api::{
    Bidirectional, Checked, Coherent, CpuOwned, Device, DeviceOwned, Direction, DmaRange,
    FromDevice, Limits, Machine, PrivateCoherent, Snooping, ToDevice,
    check::{Access, Finding},
};
use proptest::{collection::vec, prelude::*};
use sim::{Adversary, Config, DmaEngine, SimMachine};

/// What a driver does next. Numbers choose among what it holds.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Send(usize),
    Receive(usize),
    Exchange(usize),
    Share(usize),
    /// Lends the bytes of a buffer that the CPU owns to the other device and takes them back.
    Relay(usize),
    HandOver(usize),
    Run(usize, usize),
    TakeBack(usize),
    Fill(usize, u8),
    Split(usize, usize),
    Maintain(usize),
    Drop(usize),
    Forget(usize),
    Quiet,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let len = || 1_usize..400;
    let which = || 0_usize..16;
    let deed = prop_oneof![
        len().prop_map(Deed::Send),
        len().prop_map(Deed::Receive),
        len().prop_map(Deed::Exchange),
        len().prop_map(Deed::Share),
        which().prop_map(Deed::Relay),
        which().prop_map(Deed::HandOver),
        which().prop_map(Deed::HandOver),
        (which(), 0_usize..400).prop_map(|(index, len)| Deed::Run(index, len)),
        (which(), 0_usize..400).prop_map(|(index, len)| Deed::Run(index, len)),
        which().prop_map(Deed::TakeBack),
        which().prop_map(Deed::TakeBack),
        (which(), any::<u8>()).prop_map(|(index, value)| Deed::Fill(index, value)),
        (which(), 1_usize..6).prop_map(|(index, at)| Deed::Split(index, at * 64)),
        which().prop_map(Deed::Maintain),
        which().prop_map(Deed::Drop),
        which().prop_map(Deed::Forget),
        Just(Deed::Quiet),
    ];
    vec(deed, 1..60)
}

/// What the driver holds.
enum Held<M: Machine> {
    Sending(CpuOwned<M, ToDevice>),
    Receiving(CpuOwned<M, FromDevice>),
    Exchanging(CpuOwned<M, Bidirectional>),
    Sent(DeviceOwned<M, ToDevice>),
    /// And how many bytes the device says that it wrote.
    Received(DeviceOwned<M, FromDevice>, usize),
    Exchanged(DeviceOwned<M, Bidirectional>, usize),
    Private(PrivateCoherent<M>),
    Shared(Coherent<M>),
}

/// A driver, and what the model knows: what there is besides what is held.
struct Driver<'c, M: Machine> {
    machine: &'c M,
    device: Device<&'c M>,
    other: Device<&'c M>,
    engine: DmaEngine<'c>,
    held: Vec<Held<&'c M>>,
    quarantined: usize,
    forgotten: usize,
    /// Buffers that were made.
    made: Cell<u8>,
    /// Tells the checker that the device is about to be started.
    start: &'c dyn Fn(&Device<&'c M>, DmaRange, Access),
}

impl<'c, M: Machine> Driver<'c, M> {
    fn does(&mut self, deed: Deed) {
        match deed {
            Deed::Send(len) => {
                let buffer = self
                    .device
                    .allocate(len)
                    .map(|b| Held::Sending(self.fresh(b)));
                self.held.extend(buffer.ok());
            }
            Deed::Receive(len) => {
                let buffer = self
                    .device
                    .allocate(len)
                    .map(|b| Held::Receiving(self.fresh(b)));
                self.held.extend(buffer.ok());
            }
            Deed::Exchange(len) => {
                let buffer = self
                    .device
                    .allocate(len)
                    .map(|b| Held::Exchanging(self.fresh(b)));
                self.held.extend(buffer.ok());
            }
            Deed::Share(len) => {
                let memory = self.device.allocate_coherent(len).map(Held::Private);
                self.held.extend(memory.ok());
            }
            Deed::Quiet => {
                self.engine.settle();
                // SAFETY: the engines of these tests do nothing by themselves, and what they wrote has arrived.
                let quiet = unsafe { self.device.assert_quiet() };
                assert_eq!(quiet.release_quarantine(), self.quarantined);
                self.quarantined = 0;
            }
            Deed::Relay(index)
            | Deed::HandOver(index)
            | Deed::Run(index, _)
            | Deed::TakeBack(index)
            | Deed::Fill(index, _)
            | Deed::Split(index, _)
            | Deed::Maintain(index)
            | Deed::Drop(index)
            | Deed::Forget(index) => {
                if !self.held.is_empty() {
                    let held = self.held.swap_remove(index % self.held.len());
                    self.deals_with(held, deed);
                }
            }
        }
    }

    fn deals_with(&mut self, held: Held<&'c M>, deed: Deed) {
        let result = match (deed, held) {
            (Deed::Drop(_), held) => {
                let is_lent = held.is_lent();
                drop(held);
                self.quarantined += usize::from(is_lent);
                return;
            }
            (Deed::Forget(_), held) if self.forgotten < 2 => {
                core::mem::forget(held);
                self.forgotten += 1;
                return;
            }
            (Deed::HandOver(_), Held::Sending(buffer)) => Held::Sent(buffer.sync_for_device()),
            (Deed::HandOver(_), Held::Receiving(buffer)) => {
                Held::Received(buffer.sync_for_device(), 0)
            }
            (Deed::HandOver(_), Held::Exchanging(buffer)) => {
                Held::Exchanged(buffer.sync_for_device(), 0)
            }
            (Deed::HandOver(_), Held::Private(memory)) => Held::Shared(memory.publish()),
            (Deed::Run(_, _), Held::Sent(lent)) => {
                (self.start)(&self.device, lent.segment(), Access::Reads);
                self.engine.read(lent.dma_addr(), lent.len_bytes()).unwrap();
                Held::Sent(lent)
            }
            (Deed::Run(_, len), Held::Received(lent, before)) => {
                let written = self.receives(lent.segment(), len);
                Held::Received(lent, before.max(written))
            }
            (Deed::Run(_, len), Held::Exchanged(lent, before)) => {
                let written = self.receives(lent.segment(), len);
                Held::Exchanged(lent, before.max(written))
            }
            (Deed::Run(_, len), Held::Shared(memory)) => {
                memory.before_doorbell();
                self.receives(memory.segment(), len);
                self.engine.settle();
                memory.after_completion();
                Held::Shared(memory)
            }
            // SAFETY: the engines of these tests do nothing by themselves.
            (Deed::TakeBack(_), Held::Sent(lent)) => Held::Sending(unsafe { lent.sync_for_cpu() }),
            (Deed::TakeBack(_), Held::Received(lent, written)) => {
                // SAFETY: as above.
                Held::Receiving(unsafe { lent.sync_for_cpu_short(written) }.unwrap())
            }
            (Deed::TakeBack(_), Held::Exchanged(lent, written)) => {
                // SAFETY: as above.
                Held::Exchanging(unsafe { lent.sync_for_cpu_short(written) }.unwrap())
            }
            (Deed::TakeBack(_), Held::Shared(memory)) => {
                // SAFETY: as above.
                Held::Private(unsafe { memory.unpublish() })
            }
            (Deed::Fill(_, value), Held::Sending(mut buffer)) => {
                buffer.as_mut_slice().fill(value);
                Held::Sending(buffer)
            }
            (Deed::Fill(_, value), Held::Exchanging(mut buffer)) => {
                buffer.as_mut_slice().fill(value);
                Held::Exchanging(buffer)
            }
            (Deed::Relay(_), Held::Sending(mut buffer)) => {
                self.relays(buffer.as_mut_slice());
                Held::Sending(buffer)
            }
            (Deed::Relay(_), Held::Exchanging(mut buffer)) => {
                self.relays(buffer.as_mut_slice());
                Held::Exchanging(buffer)
            }
            (Deed::Split(_, at), Held::Receiving(buffer)) => match buffer.split_at(at) {
                Ok((first, second)) => {
                    self.held.push(Held::Receiving(first));
                    Held::Receiving(second)
                }
                Err(refused) => Held::Receiving(refused.value),
            },
            (Deed::Split(_, at), Held::Exchanging(buffer)) => match buffer.split_at(at) {
                Ok((first, second)) => {
                    self.held.push(Held::Exchanging(first));
                    Held::Exchanging(second)
                }
                Err(refused) => Held::Exchanging(refused.value),
            },
            (Deed::Maintain(_), Held::Exchanging(mut buffer)) => {
                let sync = self.machine.sync();
                let memory = NonNull::from(buffer.as_mut_slice());
                let phys = self.machine.direct_map().to_phys(memory).unwrap();
                // SAFETY: simulated memory is mapped while the test runs.
                let lines = unsafe { dma_api::LineRange::new(memory, phys.start()) }.unwrap();
                dma_api::DmaSync::clean(sync, lines);
                dma_api::DmaSync::complete(sync);
                Held::Exchanging(buffer)
            }
            (_, held) => held,
        };
        self.held.push(result);
    }

    /// Fills a new buffer with bytes that no other had: the simulated caches do not see a store that changes nothing.
    fn fresh<D: Direction>(&self, mut buffer: CpuOwned<&'c M, D>) -> CpuOwned<&'c M, D> {
        let made = self.made.get();
        self.made.set(made.wrapping_add(1));
        let pattern = [made, !made, 0x5c].into_iter().cycle();
        let bytes = buffer.as_mut_slice().iter_mut();
        bytes.zip(pattern).for_each(|(byte, value)| *byte = value);
        buffer
    }

    /// The device writes the first bytes of a segment. Returns how many.
    fn receives(&self, dma: DmaRange, len: usize) -> usize {
        let len = len.min(usize::try_from(dma.len_bytes()).unwrap());
        (self.start)(&self.device, dma, Access::Writes);
        if len > 0 {
            self.engine.write(dma.start(), &vec![0xa5; len]).unwrap();
        }
        len
    }

    /// Another device reads bytes where they lie.
    fn relays(&self, bytes: &mut [u8]) {
        // SAFETY: the bytes are borrowed meanwhile.
        let lent = unsafe { self.other.lend_in_place::<ToDevice>(NonNull::from(bytes)) }.unwrap();
        (self.start)(&self.other, lent.segment(), Access::Reads);
        // SAFETY: the engines of these tests do nothing by themselves.
        drop(unsafe { lent.sync_for_cpu() });
    }

    /// Buffers and coherent memories that exist.
    fn live(&self) -> usize {
        self.held.len() + self.quarantined + self.forgotten
    }

    /// Takes everything back, and proves the device quiet.
    fn ends(mut self) -> usize {
        for index in 0..self.held.len() {
            self.does(Deed::TakeBack(index));
        }
        while let Some(held) = self.held.pop() {
            let held = match held {
                // SAFETY: the engines of these tests do nothing by themselves.
                Held::Sent(lent) => Held::Sending(unsafe { lent.sync_for_cpu() }),
                held => held,
            };
            let is_lent = held.is_lent();
            drop(held);
            self.quarantined += usize::from(is_lent);
        }
        self.does(Deed::Quiet);
        self.forgotten
    }
}

impl<M: Machine> Held<M> {
    fn is_lent(&self) -> bool {
        matches!(
            self,
            Self::Sent(_) | Self::Received(..) | Self::Exchanged(..) | Self::Shared(_)
        )
    }
}

fn print(finding: &Finding) {
    eprintln!("{finding}");
}

/// Lets a driver do its deeds, and judges the checker after each.
fn run<const N: usize>(deeds: &[Deed], machine: &SimMachine, snooping: Snooping) {
    let checked: Checked<&SimMachine, N> = Checked::new(machine, print as fn(&Finding)).with_sums();
    let start = |device: &Device<&Checked<&SimMachine, N>>, dma, access| {
        checked.about_to_start(device, dma, access);
    };
    // The closure borrows the machine as long as the driver does.
    let device = Device::new(&checked, Limits::UNLIMITED, snooping).unwrap();
    let mut driver = Driver {
        machine: &checked,
        device: device.clone(),
        other: Device::new(&checked, Limits::UNLIMITED, snooping).unwrap(),
        engine: DmaEngine::new(machine, Limits::UNLIMITED, snooping),
        held: Vec::new(),
        quarantined: 0,
        forgotten: 0,
        made: Cell::new(0),
        start: &start,
    };
    for deed in deeds {
        driver.does(*deed);
        let counts = checked.counts();
        assert_eq!(counts.findings(), 0, "{deed:?}");
        if counts.buffers_not_followed == 0 {
            assert_eq!(counts.followed, driver.live(), "{deed:?}");
        }
    }

    let forgotten = driver.ends();
    let counts = checked.counts();
    assert_eq!(counts.findings(), 0);
    assert!(counts.followed <= forgotten);
    checked.device_removed(&device);
    let leaks = checked.counts().findings();
    assert_eq!(leaks, counts.followed, "only what was forgotten is a leak");
}

proptest! {
    #[test]
    fn a_driver_without_mistakes_is_told_of_none(
        deeds in deeds(),
        seed in any::<u64>(),
        snoops in any::<bool>(),
        fills_speculatively in any::<bool>(),
    ) {
        let snooping = if snoops { Snooping::Snoops } else { Snooping::DoesNotSnoop };
        let machine = || SimMachine::new(Config {
            cached_len: 4 << 10,
            fills_speculatively,
            adversary: Adversary::seeded(seed),
            ..Config::default()
        })
        .unwrap();

        run::<64>(&deeds, &machine(), snooping);
        run::<3>(&deeds, &machine(), snooping);
        run::<1>(&deeds, &machine(), snooping);
    }
}
