//! Engines: which addresses they reach, and what the bus refuses them.

use dma_api::{DmaAddr, DmaMask, Error, Limits, Snooping};
use sim::{BusFault, Config, DmaEngine, SimMachine, Task};

use crate::bench::plain;

const DMA: u64 = 0x1000_0000;
const LEN: u64 = 64;

fn machine(dma: u64) -> SimMachine {
    let dma = DmaAddr::new(dma);
    SimMachine::new(Config { dma, ..plain() }).unwrap()
}

/// Everything that an engine can be asked to do with these bytes is refused for this reason, and nothing is transferred.
fn refuses(engine: &DmaEngine<'_>, first: u64, len: usize, error: Error) {
    let at = DmaAddr::new(first);
    let fault = BusFault(error);
    assert_eq!(engine.read(at, len), Err(fault));
    assert_eq!(engine.write(at, &vec![9; len]), Err(fault));
    let first_is_right = |task| [Task::Read(DmaAddr::new(DMA + 16), 1), task];
    for task in [Task::Read(at, len), Task::Write(at, vec![9; len])] {
        let started = engine.start(&first_is_right(task));
        assert_eq!(started.unwrap_err(), fault);
    }
}

#[test]
fn an_engine_reaches_the_last_byte_of_its_mask_and_not_the_next() {
    let machine = machine(0x0fff_ffd0);
    let limits = Limits::new(DmaMask::bits(28).unwrap());
    let engine = DmaEngine::new(&machine, limits, Snooping::DoesNotSnoop);
    let at = 0x0fff_fff0;

    engine.write(DmaAddr::new(at), &[2; 16]).unwrap();
    engine.settle();
    let above = Error::AboveHighest {
        last: 0x1000_0000,
        highest: 0x0fff_ffff,
    };
    let steps = machine.history().entries().len();
    for (first, len) in [(at, 17), (0x1000_0000, 1)] {
        assert_eq!(engine.read(DmaAddr::new(first), len), Err(BusFault(above)));
        let fault = engine.write(DmaAddr::new(first), &vec![3; len]);
        assert_eq!(fault, Err(BusFault(above)));
    }
    assert_eq!(machine.history().entries().len(), steps, "nothing was done");
    assert_eq!(engine.read(DmaAddr::new(at), 16), Ok(vec![2; 16]));
}

#[test]
fn an_engine_reaches_its_lowest_address_and_not_the_one_below() {
    let machine = machine(DMA);
    let (lowest, highest) = (DmaAddr::new(DMA + 16), DmaAddr::new(DMA + 31));
    let limits = Limits::UNLIMITED.window(lowest, highest).unwrap();
    let engine = DmaEngine::new(&machine, limits, Snooping::Snoops);

    engine.write(lowest, &[2; 16]).unwrap();
    let below = Error::BelowLowest {
        first: DMA + 15,
        lowest: DMA + 16,
    };
    refuses(&engine, DMA + 15, 1, below);
    refuses(&engine, DMA + 15, 2, below);
    let above = Error::AboveHighest {
        last: DMA + 32,
        highest: DMA + 31,
    };
    refuses(&engine, DMA + 31, 2, above);
    assert_eq!(engine.read(lowest, 16), Ok(vec![2; 16]));
}

#[test]
fn an_engine_reaches_the_ends_of_the_window_and_nothing_outside() {
    let machine = machine(DMA);
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);
    let end = DMA + LEN;

    for inside in [DMA, end - 1] {
        engine.write(DmaAddr::new(inside), &[2]).unwrap();
        assert_eq!(engine.read(DmaAddr::new(inside), 1), Ok(vec![2]));
    }
    for (first, len) in [(DMA - 1, 1), (DMA - 1, 2), (end - 1, 2), (end, 1)] {
        let last = first + len as u64 - 1;
        refuses(&engine, first, len, Error::NotInWindow { first, last });
    }
}

#[test]
fn no_byte_and_a_range_that_wraps_are_refused() {
    let machine = machine(DMA);
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);
    refuses(&engine, DMA, 0, Error::ZeroLength);
    let (start, len) = (u64::MAX, 2);
    refuses(&engine, start, 2, Error::RangeWraps { start, len });
}

#[test]
fn an_engines_addresses_are_the_buses_not_memorys() {
    let machine = machine(DMA);
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);
    engine.write(sim::Cpu::new(&machine).dma(5), &[7]).unwrap();
    engine.settle();
    assert_eq!(
        engine.read(DmaAddr::new(DMA + 4), 3),
        Ok(vec![0xa5, 7, 0xa5])
    );
}

#[test]
fn a_bus_fault_says_why() {
    let fault = BusFault(Error::ZeroLength);
    assert_eq!(
        fault.to_string(),
        format!("bus fault: {}", Error::ZeroLength)
    );
}
