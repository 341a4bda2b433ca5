//! The devices of the simulator, each driven by a small driver on top of the library: what they do well-mannered, short, late
//! and hostile, and what a driver must make of it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]
#![expect(unsafe_code, reason = "a test states that its device is done")]

use dma_api::{
    Coherent, CpuOwned, Device, DeviceOwned, DmaAddr, DmaMask, DmaRange, Error, FromDevice, Limits,
    Snooping, ToDevice, zerocopy::IntoBytes,
};
use sim::{
    Adversary, BusFault, Config, Descriptor, DmaEngine, Manners, Oracle, RingDevice, ScatterGather,
    SimMachine, check, presets, trial::Outcome,
};

const ENTRIES: usize = 4;
const LEN: usize = 100;

fn engine(machine: &SimMachine) -> DmaEngine<'_> {
    DmaEngine::new(machine, Limits::UNLIMITED, machine.config().snooping)
}

fn device(machine: &SimMachine) -> Result<Device<&SimMachine>, Error> {
    Device::new(machine, Limits::UNLIMITED, machine.config().snooping)
}

/// A driver of a ring device: a ring in coherent memory, and a received buffer for each descriptor.
struct Network<'m> {
    device: Device<&'m SimMachine>,
    ring: Coherent<&'m SimMachine>,
    registers: RingDevice<'m>,
    lent: Vec<DeviceOwned<&'m SimMachine, FromDevice>>,
}

impl<'m> Network<'m> {
    fn new(machine: &'m SimMachine, manners: Manners) -> Result<Self, Error> {
        let device = device(machine)?;
        let ring = device
            .allocate_coherent(ENTRIES * Descriptor::SIZE)?
            .publish();
        let engine = engine(machine).with_manners(manners);
        let registers = RingDevice::new(engine, ring.dma_addr(), ENTRIES);
        Ok(Self {
            device,
            ring,
            registers,
            lent: Vec::new(),
        })
    }

    /// Gives the device a buffer at the next place of the ring: all of the descriptor, then the word that gives it away.
    fn offer(&mut self) -> Result<(), Error> {
        let lent = self.device.allocate::<FromDevice>(LEN)?.sync_for_device();
        let at = self.lent.len() * Descriptor::SIZE;
        let descriptor = Descriptor::new(lent.segment(), true);
        self.ring.write(at, &descriptor.addr)?;
        self.ring.write(at + 8, &descriptor.len)?;
        self.ring.before_doorbell();
        self.ring
            .write(at + Descriptor::CONTROL, &descriptor.control)?;
        self.ring.before_doorbell();
        self.lent.push(lent);
        Ok(())
    }

    /// Takes the first buffer back, of which the device says how much it wrote.
    fn receive(&mut self) -> Result<CpuOwned<&'m SimMachine, FromDevice>, Error> {
        // What the device has written arrives in the end: the driver polls for it.
        engine(self.device.machine()).settle();
        let descriptor: Descriptor = self.ring.read(0)?;
        assert_eq!(
            descriptor.control.get() & Descriptor::OWNED,
            0,
            "the device is done"
        );
        self.ring.after_completion();
        let lent = self.lent.remove(0);
        let written = usize::try_from(descriptor.len.get()).unwrap();
        // SAFETY: the descriptor says that the device is done with the buffer.
        unsafe { lent.sync_for_cpu_short(written) }.map_err(|refused| refused.error)
    }

    /// Resets the device, as a driver does that goes away.
    fn close(self) {
        for lent in self.lent {
            // SAFETY: the simulated device does nothing unless it is told to.
            drop(unsafe { lent.sync_for_cpu() });
        }
        // SAFETY: as above.
        drop(unsafe { self.ring.unpublish() });
    }
}

fn with_ring() -> impl Iterator<Item = Config> {
    presets::all().into_iter()
}

#[test]
fn a_ring_carries_what_arrives_to_the_buffers_in_order_on_every_machine() {
    for config in with_ring() {
        check(&config, |machine| {
            let mut network = Network::new(machine, Manners::Honest)?;
            network.offer()?;
            network.offer()?;
            network.registers.receive(&[1; LEN]);
            network.registers.receive(&[2; 60]);
            assert_eq!(network.registers.ring()?, 2);

            assert_eq!(network.receive()?.received(), [1; LEN]);
            network.close();
            Ok(())
        });
    }
}

#[test]
fn a_short_device_says_so_and_the_rest_of_the_buffer_is_zero() {
    for config in with_ring() {
        check(&config, |machine| {
            let mut network = Network::new(machine, Manners::Short(10))?;
            network.offer()?;
            network.registers.receive(&[1; LEN]);
            assert_eq!(network.registers.ring()?, 1);

            let buffer = network.receive()?;
            assert_eq!(buffer.received(), [1; 10]);
            assert_eq!(buffer.as_slice().get(10..), Some(&[0; LEN - 10][..]));
            network.close();
            Ok(())
        });
    }
}

#[test]
fn a_hostile_device_that_claims_too_much_is_refused() {
    let config = Config::default();
    check(&config, |machine| {
        let mut network = Network::new(machine, Manners::Hostile)?;
        network.offer()?;
        network.registers.receive(&[1; LEN]);
        assert_eq!(network.registers.ring()?, 1);

        let claimed = network.receive().map(drop);
        let (written, buffer_len) = (usize::try_from(u32::MAX).unwrap(), LEN);
        assert_eq!(
            claimed,
            Err(Error::OverlongTransfer {
                written,
                buffer_len
            })
        );
        network.close();
        Ok(())
    });
}

#[test]
fn a_hostile_device_uses_old_addresses_again_and_harms_whoever_has_the_memory_now() {
    let driver = |machine: &SimMachine| -> Outcome {
        let mut network = Network::new(machine, Manners::Hostile)?;
        network.offer()?;
        network.offer()?;
        network.registers.receive(&[1; LEN]);
        network.registers.ring()?;
        assert!(
            network.receive().is_err(),
            "the claim is refused, and the buffer is free again"
        );
        let victim = network.device.allocate::<ToDevice>(LEN)?;

        network.registers.receive(&[2; LEN]);
        network.registers.ring()?;

        network.close();
        drop(victim);
        Ok(())
    };
    let harm = sim::find(&Config::default(), [Adversary::Lazy], driver).unwrap_err();
    assert_eq!(harm.violation.oracle, Oracle::Reused);
}

#[test]
fn a_late_device_that_is_believed_writes_to_memory_of_a_new_owner() {
    let driver = |machine: &SimMachine| -> Outcome {
        let mut network = Network::new(machine, Manners::Late)?;
        network.offer()?;
        network.registers.receive(&[1; LEN]);
        network.registers.ring()?;
        drop(network.receive()?);
        let victim = network.device.allocate::<ToDevice>(LEN)?;
        network.close();
        drop(victim);
        Ok(())
    };
    let runs = Adversary::all(100).map(|one| sim::trial::run(&Config::default(), &one, driver));
    let found: Vec<_> = runs
        .filter_map(|run| run.err().map(|late| late.violation.oracle))
        .collect();
    assert!(!found.is_empty(), "some let it write as late as that");
    assert!(
        found.iter().all(|oracle| *oracle == Oracle::Reused),
        "{found:?}"
    );
}

#[test]
fn a_late_device_harms_nobody_if_its_buffers_wait_in_quarantine() {
    check(&Config::default(), |machine| {
        let mut network = Network::new(machine, Manners::Late)?;
        network.offer()?;
        network.registers.receive(&[1; LEN]);
        network.registers.ring()?;

        // The driver gives up on the device and goes away; its memory stays out of reach of others.
        network.lent.clear();
        let other = network.device.allocate::<ToDevice>(LEN)?;
        drop(other);
        network.close();
        Ok(())
    });
}

#[test]
fn a_send_ring_reads_what_the_cpu_wrote() {
    for config in with_ring() {
        check(&config, |machine| {
            let device = device(machine)?;
            let mut ring = device.allocate_coherent(Descriptor::SIZE)?.publish();
            let registers = RingDevice::new(engine(machine), ring.dma_addr(), 1);
            let mut buffer = device.allocate::<ToDevice>(LEN)?;
            buffer.as_mut_slice().fill(5);
            let lent = buffer.sync_for_device();
            ring.write(0, &Descriptor::new(lent.segment(), false))?;
            ring.before_doorbell();
            assert_eq!(registers.ring()?, 1);
            assert_eq!(registers.sent(), [vec![5; LEN]]);
            // SAFETY: the device did what it was told when it was told.
            drop(unsafe { lent.sync_for_cpu() });
            // SAFETY: as above.
            drop(unsafe { ring.unpublish() });
            Ok(())
        });
    }
}

#[test]
fn a_doorbell_before_the_descriptor_has_left_the_store_buffer_is_found() {
    let driver = |machine: &SimMachine| -> Outcome {
        let device = device(machine)?;
        let mut ring = device.allocate_coherent(Descriptor::SIZE)?.publish();
        let registers = RingDevice::new(engine(machine), ring.dma_addr(), 1);
        let lent = device.allocate::<FromDevice>(LEN)?.sync_for_device();
        ring.write(0, &Descriptor::new(lent.segment(), true))?;
        // No barrier.
        registers.ring()?;
        Ok(())
    };
    for config in presets::all() {
        let failure = sim::find(&config, [Adversary::Lazy], driver).unwrap_err();
        assert_eq!(
            failure.violation.oracle,
            Oracle::MissingBarrier,
            "{}",
            config.name
        );
    }
}

#[test]
fn a_ring_the_device_does_not_reach_is_a_bus_fault() {
    let machine = SimMachine::new(Config::default()).unwrap();
    let limits = Limits::new(DmaMask::bits(24).unwrap());
    let narrow = DmaEngine::new(&machine, limits, Snooping::DoesNotSnoop);
    let above = machine.config().dma;

    let rung = RingDevice::new(narrow, above, 1).ring();

    let (last, highest) = (above.get() + 15, 0xff_ffff);
    assert_eq!(rung, Err(BusFault(Error::AboveHighest { last, highest })));
}

#[test]
fn segments_are_gathered_and_scattered_in_order_on_every_machine() {
    for config in presets::all() {
        check(&config, |machine| {
            let (device, engine) = (device(machine)?, ScatterGather::new(engine(machine)));
            let buffers = (1..=3).map(|value| {
                let mut buffer = device.allocate::<ToDevice>(usize::from(value) * 30)?;
                buffer.as_mut_slice().fill(value);
                Ok(buffer.sync_for_device())
            });
            let sent = buffers.collect::<Result<Vec<_>, Error>>()?;
            let segments: Vec<DmaRange> = sent.iter().map(DeviceOwned::segment).collect();
            let expected = [&[1; 30][..], &[2; 60], &[3; 90]].concat();
            assert_eq!(engine.gather(&segments)?, expected);
            for lent in sent {
                // SAFETY: the engine does nothing by itself.
                drop(unsafe { lent.sync_for_cpu() });
            }

            let (one, two) = (lend(&device, 50)?, lend(&device, 50)?);
            assert_eq!(
                engine.scatter(&[one.segment(), two.segment()], &[9; 70])?,
                70
            );
            // SAFETY: as above.
            let first = unsafe { one.sync_for_cpu() };
            // SAFETY: as above.
            let second = unsafe { two.sync_for_cpu_short(20) }.map_err(|refused| refused.error)?;
            assert_eq!(
                (first.received(), second.received()),
                (&[9; 50][..], &[9; 20][..])
            );
            assert_eq!(second.as_slice().get(20..), Some(&[0; 30][..]));
            Ok(())
        });
    }
}

fn lend<'m>(
    device: &Device<&'m SimMachine>,
    len: usize,
) -> Result<DeviceOwned<&'m SimMachine, FromDevice>, Error> {
    Ok(device.allocate::<FromDevice>(len)?.sync_for_device())
}

#[test]
fn a_device_of_few_or_short_segments_refuses_more_and_transfers_nothing() {
    let machine = SimMachine::new(Config::default()).unwrap();
    let device = device(&machine).unwrap();
    let [one, two] = [lend(&device, 32).unwrap(), lend(&device, 32).unwrap()];
    let segments = [one.segment(), two.segment()];
    let with =
        |limits| ScatterGather::new(DmaEngine::new(&machine, limits, Snooping::DoesNotSnoop));

    let single = with(Limits::UNLIMITED.max_segments(1).unwrap());
    let many = Error::TooManySegments {
        segments: 2,
        max: 1,
    };
    assert_eq!(single.scatter(&segments, &[1; 64]), Err(BusFault(many)));

    let short = with(Limits::UNLIMITED.max_segment_len(31).unwrap());
    let long = Error::SegmentTooLong { len: 32, max: 31 };
    assert_eq!(short.scatter(&segments, &[1; 64]), Err(BusFault(long)));

    // SAFETY: the devices transferred nothing.
    let one = unsafe { one.sync_for_cpu() };
    // SAFETY: as above.
    let two = unsafe { two.sync_for_cpu() };
    assert_eq!(
        (one.as_slice(), two.as_slice()),
        (&[0; 32][..], &[0; 32][..])
    );
}

#[test]
fn a_descriptor_is_sixteen_bytes_little_endian_with_the_word_that_gives_it_away_last() {
    let range = DmaRange::new(DmaAddr::new(0x0102_0304_0506_0708), 0x11).unwrap();
    let bytes = Descriptor::new(range, true);
    let expected = [8, 7, 6, 5, 4, 3, 2, 1, 0x11, 0, 0, 0, 3, 0, 0, 0];
    assert_eq!(bytes.as_bytes(), expected);
}
