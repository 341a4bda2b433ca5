//! What the drivers do: each a transfer or two of the library's own buffers, with a device that does its part when it likes.
#![expect(unsafe_code, reason = "the drivers state that their device is done")]

use core::error::Error;

use dma_api::{
    Bidirectional, CpuOwned, Device, DeviceOwned, DeviceWrites, DmaAddr, FromDevice, Limits,
    ToDevice,
};
use sim::{DmaEngine, SimMachine, Task, trial::Outcome};

/// What a driver does, and its name.
pub(crate) type Scenario = (&'static str, fn(M<'_>) -> Outcome);

/// All of them.
pub(crate) const ALL: [Scenario; 9] = [
    ("from device", from_device),
    ("to device", to_device),
    ("both ways", bidirectional),
    ("a short transfer", short),
    ("a buffer in two parts", split),
    ("two transfers of a buffer", twice),
    ("two buffers in the same memory", reused),
    ("two buffers at once", at_once),
    ("coherent memory", ring),
];

/// Those that need one granule of cached memory, if it has room for three bytes.
pub(crate) const ONE_GRANULE: [Scenario; 6] = [ALL[0], ALL[1], ALL[2], ALL[3], ALL[5], ALL[6]];

/// What the library is given as its machine.
pub(crate) type M<'m> = &'m SimMachine;

/// A driver and its device.
struct Bench<'m> {
    device: Device<M<'m>>,
    engine: DmaEngine<'m>,
}

impl<'m> Bench<'m> {
    fn new(machine: M<'m>) -> Result<Self, Box<dyn Error>> {
        let snooping = machine.config().snooping;
        Ok(Self {
            device: Device::new(machine, Limits::UNLIMITED, snooping)?,
            engine: DmaEngine::new(machine, Limits::UNLIMITED, snooping),
        })
    }

    /// The device writes the first `len` bytes when it likes, one by one, and is waited for.
    fn fills<D: DeviceWrites>(&self, lent: &DeviceOwned<M<'m>, D>, len: usize) -> Outcome {
        let start = lent.dma_addr().get();
        let byte = |at| Task::Write(DmaAddr::new(start + at as u64), vec![0xd7]);
        let started = self.engine.start(&(0..len).map(byte).collect::<Vec<_>>())?;
        self.engine.wait(started);
        Ok(())
    }
}

/// A device writes all of a buffer that ends in the middle of a line.
pub(crate) fn from_device(machine: M<'_>) -> Outcome {
    let bench = Bench::new(machine)?;
    let lent = bench.device.allocate::<FromDevice>(3)?.sync_for_device();
    bench.fills(&lent, 3)?;
    // SAFETY: the device was waited for.
    let buffer = unsafe { lent.sync_for_cpu() };
    assert_eq!(buffer.received(), [0xd7; 3]);
    Ok(())
}

/// A device reads one.
pub(crate) fn to_device(machine: M<'_>) -> Outcome {
    let bench = Bench::new(machine)?;
    let mut buffer = bench.device.allocate::<ToDevice>(3)?;
    buffer.as_mut_slice().fill(1);
    let lent = buffer.sync_for_device();
    let started = bench.engine.start(&[Task::Read(lent.dma_addr(), 3)])?;
    bench.engine.wait(started);
    // SAFETY: the device was waited for.
    drop(unsafe { lent.sync_for_cpu() });
    Ok(())
}

/// A device reads one and writes the first two bytes of it.
fn bidirectional(machine: M<'_>) -> Outcome {
    let bench = Bench::new(machine)?;
    let mut buffer = bench.device.allocate::<Bidirectional>(3)?;
    buffer.as_mut_slice().fill(1);
    let lent = buffer.sync_for_device();
    let tasks = [
        Task::Read(lent.dma_addr(), 3),
        Task::Write(lent.dma_addr(), vec![0xd7; 2]),
    ];
    let started = bench.engine.start(&tasks)?;
    bench.engine.wait(started);
    // SAFETY: the device was waited for.
    let buffer = unsafe { lent.sync_for_cpu_short(2) }.map_err(|refused| refused.error)?;
    assert_eq!(buffer.as_slice(), [0xd7, 0xd7, 1]);
    Ok(())
}

/// A device writes less than it might; the rest keeps what the CPU has stored.
fn short(machine: M<'_>) -> Outcome {
    let bench = Bench::new(machine)?;
    let mut buffer = bench.device.allocate::<FromDevice>(3)?;
    buffer.as_mut_slice().fill(1);
    let lent = buffer.sync_for_device();
    bench.fills(&lent, 1)?;
    // SAFETY: the device was waited for.
    let buffer = unsafe { lent.sync_for_cpu_short(1) }.map_err(|refused| refused.error)?;
    assert_eq!(buffer.as_slice(), [0xd7, 1, 1]);
    Ok(())
}

/// The CPU stores to one part of a buffer while a device writes the other.
fn split(machine: M<'_>) -> Outcome {
    let bench = Bench::new(machine)?;
    let at = usize::try_from(bench.device.granule().get())?;
    let buffer = bench.device.allocate::<FromDevice>(at + 1)?;
    let (first, mut second) = buffer.split_at(at).map_err(|refused| refused.error)?;
    let lent = first.sync_for_device();
    second.as_mut_slice().fill(1);
    bench.fills(&lent, 1)?;
    second.as_mut_slice().fill(2);
    // SAFETY: the device was waited for.
    let first = unsafe { lent.sync_for_cpu() };
    assert_eq!(first.as_slice().first(), Some(&0xd7));
    assert_eq!(second.as_slice(), [2]);
    Ok(())
}

/// A buffer is handed over twice, and stored to in between.
fn twice(machine: M<'_>) -> Outcome {
    let bench = Bench::new(machine)?;
    let mut buffer: CpuOwned<M<'_>, FromDevice> = bench.device.allocate(3)?;
    for round in 1..=2 {
        buffer.as_mut_slice().fill(round);
        let lent = buffer.sync_for_device();
        bench.fills(&lent, 2)?;
        // SAFETY: the device was waited for.
        buffer = unsafe { lent.sync_for_cpu() };
    }
    Ok(())
}

/// Memory that a device wrote is freed, and allocated again for one that reads.
fn reused(machine: M<'_>) -> Outcome {
    from_device(machine)?;
    to_device(machine)
}

/// Two transfers, in different directions, of which either may be done first.
fn at_once(machine: M<'_>) -> Outcome {
    let bench = Bench::new(machine)?;
    let mut buffer = bench.device.allocate::<ToDevice>(1)?;
    buffer.as_mut_slice().fill(1);
    let outgoing = buffer.sync_for_device();
    let read = bench.engine.start(&[Task::Read(outgoing.dma_addr(), 1)])?;
    let incoming = bench.device.allocate::<FromDevice>(1)?.sync_for_device();
    let write = bench
        .engine
        .start(&[Task::Write(incoming.dma_addr(), vec![0xd7])])?;
    bench.engine.wait(read);
    // SAFETY: the device was waited for.
    drop(unsafe { outgoing.sync_for_cpu() });
    bench.engine.wait(write);
    // SAFETY: the device was waited for.
    drop(unsafe { incoming.sync_for_cpu() });
    Ok(())
}

/// Both sides use coherent memory while the CPU stores to a cached neighbour.
fn ring(machine: M<'_>) -> Outcome {
    let bench = Bench::new(machine)?;
    let mut neighbour = bench.device.allocate::<ToDevice>(1)?;
    let mut ring = bench.device.allocate_coherent(2)?;
    ring.as_mut_slice().fill(1);
    let mut ring = ring.publish();
    neighbour.as_mut_slice().fill(1);
    ring.write(0, &2_u8)?;
    ring.before_doorbell();
    let tasks = [
        Task::Read(ring.dma_addr(), 2),
        Task::Write(ring.dma_addr(), vec![0xd7]),
    ];
    let started = bench.engine.start(&tasks)?;
    neighbour.as_mut_slice().fill(2);
    bench.engine.wait(started);
    ring.after_completion();
    // SAFETY: the device was waited for.
    drop(unsafe { ring.unpublish() });
    Ok(())
}
