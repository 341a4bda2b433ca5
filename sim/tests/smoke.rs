//! x
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core,
    reason = "test"
)]
#![expect(unsafe_code, reason = "test")]
use dma_api::{DataDirection, Device, FromDevice, Limits, Machine, ToDevice};
use sim::{trial::Outcome, *};

fn driver(machine: &SimMachine) -> Outcome {
    let snooping = machine.config().snooping;
    let device = Device::new(machine, Limits::UNLIMITED, snooping)?;
    let engine = DmaEngine::new(machine, Limits::UNLIMITED, snooping);
    let len = machine.config().line + 1;
    let mut b = device.allocate::<ToDevice>(len)?;
    b.as_mut_slice().fill(7);
    let lent = b.sync_for_device();
    assert_eq!(engine.read(lent.dma_addr(), len)?, vec![7; len]);
    drop(unsafe { lent.sync_for_cpu() });
    let b = device.allocate::<FromDevice>(len)?;
    let lent = b.sync_for_device();
    engine.write(lent.dma_addr(), &vec![9; len])?;
    let b = unsafe { lent.sync_for_cpu() };
    assert_eq!(b.as_slice(), vec![9; len]);
    drop(b);
    assert_eq!(machine.ledger().counts(), Default::default());
    Ok(())
}

#[test]
fn presets() {
    for config in presets::all() {
        let t = std::time::Instant::now();
        let r = find(&config, Adversary::all(50), driver);
        match r {
            Ok(n) => println!("{} ok {n} {:?}", config.name, t.elapsed()),
            Err(e) => println!("{} FAILED {e} {:?}", config.name, t.elapsed()),
        }
    }
}
#[test]
fn exhaustive() {
    for (cores, outer) in [
        (1, None),
        (1, Some(Maintained::WithTheInner)),
        (1, Some(Maintained::ByItself)),
        (2, None),
    ] {
        let config = Config {
            line: 2,
            granule: 2,
            unit: 4,
            cached_len: 8,
            uncached_len: 0,
            cores,
            outer: outer.map(|maintained| Outer {
                line: 2,
                granule: 2,
                maintained,
            }),
            store_buffer: 1,
            start: Start::Empty,
            ..Config::default()
        };
        let t = std::time::Instant::now();
        let r = explore(&config, 5_000_000, |m| {
            let device = Device::new(m, Limits::UNLIMITED, m.config().snooping)?;
            let engine = DmaEngine::new(m, Limits::UNLIMITED, m.config().snooping);
            let lent = device.allocate::<FromDevice>(3)?.sync_for_device();
            engine.write(lent.dma_addr(), &[9; 3])?;
            let b = unsafe { lent.sync_for_cpu() };
            drop(b);
            Ok(())
        });
        match r {
            Ok(n) => println!("ok {n} {:?}", t.elapsed()),
            Err(e) => println!("FAILED {e} {:?}", t.elapsed()),
        }
    }
}
#[test]
fn bad() {
    let bad = |m: &SimMachine| -> Outcome {
        let cpu = Cpu::new(m);
        let engine = DmaEngine::new(m, Limits::UNLIMITED, m.config().snooping);
        cpu.own(0, 64);
        cpu.store(0, &[1; 64]);
        cpu.clean(0, 64);
        cpu.invalidate(0, 64);
        cpu.before_doorbell();
        cpu.lend(0, 64, DataDirection::FromDevice);
        engine.write(cpu.dma(0), &[2; 64])?;
        cpu.after_completion();
        cpu.take_back(0, 64);
        assert_eq!(cpu.load(0, 64), [2; 64]);
        Ok(())
    };
    for a in Adversary::named() {
        println!(
            "{a}: {:?}",
            trial::run(&Config::default(), &a, bad)
                .err()
                .map(|f| f.violation.oracle)
        );
    }
    println!(
        "{}",
        find(&Config::default(), (0..50).map(Adversary::seeded), bad).unwrap_err()
    );
}
