//! Machines that cannot be: each is refused with the reason.

use dma_api::{
    DataDirection, Device, DmaAddr, Error, Geometry, Limits, Machine, PhysAddr, Snooping,
};
use sim::{Config, Cpu, Invalidate, Maintained, Outer, SimMachine, presets};

use crate::bench::plain;

fn refusal(config: Config) -> Error {
    SimMachine::new(config).unwrap_err()
}

fn outer(line: usize, granule: usize) -> Option<Outer> {
    let maintained = Maintained::WithTheInner;
    Some(Outer {
        line,
        granule,
        maintained,
    })
}

#[test]
fn a_line_or_a_granule_that_is_no_power_of_two_is_refused_at_either_level() {
    for (size, value) in [(0, 0), (24, 24)] {
        let line = Config {
            line: size,
            ..plain()
        };
        let granule = Config {
            granule: size,
            ..plain()
        };
        for config in [line, granule] {
            assert_eq!(refusal(config), Error::NotPowerOfTwo { value });
        }
        for outer in [outer(size, 16), outer(16, size)] {
            let config = Config { outer, ..plain() };
            assert_eq!(refusal(config), Error::NotPowerOfTwo { value });
        }
    }
}

#[test]
fn a_granule_smaller_than_the_line_is_refused() {
    let (line, granule) = (16, 8);
    let inner = Config { granule, ..plain() };
    let error = Error::GranuleBelowLine { line, granule };
    assert_eq!(refusal(inner), error);
    let outer = outer(line, granule);
    assert_eq!(refusal(Config { outer, ..plain() }), error);
}

#[test]
fn memory_and_the_pools_unit_are_whole_granules() {
    let config = Config {
        outer: outer(16, 64),
        ..plain()
    };
    assert!(SimMachine::new(config.clone()).is_ok());
    let misaligned = |addr| Error::Misaligned {
        addr,
        alignment: 64,
    };
    let cached_len = 96;
    let cached = Config {
        cached_len,
        ..config.clone()
    };
    assert_eq!(refusal(cached), misaligned(96));
    let uncached_len = 32;
    let uncached = Config {
        uncached_len,
        ..config.clone()
    };
    assert_eq!(refusal(uncached), misaligned(32));

    // Pools that share granules are no machine's, and a test of them may have them.
    let unit = Config { unit: 32, ..config };
    assert!(SimMachine::new(unit).is_ok());
}

#[test]
fn a_machine_has_a_core_a_colour_and_memory() {
    let (no_core, no_colour, no_memory) = (
        Config {
            cores: 0,
            ..plain()
        },
        Config {
            colours: 0,
            ..plain()
        },
        Config {
            cached_len: 0,
            ..plain()
        },
    );
    for config in [no_core, no_colour, no_memory] {
        assert_eq!(refusal(config), Error::ZeroLength);
    }
}

#[test]
fn the_pools_unit_is_a_power_of_two_that_memory_holds_and_starts_at() {
    let unit = |unit| Config { unit, ..plain() };
    assert_eq!(refusal(unit(48)), Error::NotPowerOfTwo { value: 48 });
    assert_eq!(refusal(unit(128)), Error::ZeroLength, "not one unit");
    let phys = PhysAddr::new(0x8000_0020);
    let (addr, alignment) = (phys.get(), 64);
    let config = Config { phys, ..plain() };
    assert_eq!(refusal(config), Error::Misaligned { addr, alignment });
    let many = Config {
        line: 1,
        granule: 1,
        unit: 1,
        cached_len: (16 << 10) + 1,
        ..plain()
    };
    let (units, capacity) = ((16 << 10) + 1, 16 << 10);
    assert_eq!(refusal(many), Error::PoolTooLarge { units, capacity });
}

#[test]
fn memory_ends_before_its_address_spaces_do() {
    let start = u64::MAX - 31;
    let len = 64;
    let dma = DmaAddr::new(start);
    let wraps = Error::RangeWraps { start, len };
    assert_eq!(refusal(Config { dma, ..plain() }), wraps);
    // The cached part is the last there can be.
    let (start, len) = (u64::MAX - 63, 128);
    let (phys, uncached_len) = (PhysAddr::new(start), 64);
    let config = Config {
        phys,
        uncached_len,
        ..plain()
    };
    assert_eq!(refusal(config), Error::RangeWraps { start, len });
}

#[test]
fn the_geometry_is_that_of_all_levels_together() {
    let config = Config {
        line: 32,
        granule: 64,
        outer: outer(16, 128),
        ..plain()
    };
    assert_eq!(config.geometry(), Geometry::new(16, 128));
    let inner = Config {
        outer: None,
        ..config
    };
    assert_eq!(inner.geometry(), Geometry::new(32, 64));
}

#[test]
fn the_library_is_told_what_the_machine_is_like() {
    use dma_api::DmaSync;

    for config in presets::all() {
        let machine = SimMachine::new(config.clone()).unwrap();
        assert_eq!(
            machine.sync().geometry(),
            config.geometry().unwrap(),
            "{config:?}"
        );
        assert_eq!(
            machine.sync().fills_speculatively(),
            config.fills_speculatively
        );
        assert!(machine.sync().invalidate_may_write_back());
        assert_eq!(machine.config().name, config.name);
    }
}

#[test]
fn presets_have_names_of_their_own_and_every_kind_of_machine_is_among_them() {
    let all = presets::all();
    let mut names: Vec<_> = all.iter().map(|config| config.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len());

    let kinds: [fn(&Config) -> bool; 12] = [
        |config| config.outer.is_none(),
        |config| {
            config
                .outer
                .is_some_and(|outer| outer.maintained == Maintained::ByItself)
        },
        |config| {
            config
                .outer
                .is_some_and(|outer| outer.maintained == Maintained::WithTheInner)
        },
        |config| config.cores > 1,
        |config| config.colours > 1,
        |config| !config.fills_speculatively,
        |config| config.invalidate == Invalidate::WritesBackToo,
        |config| config.promotes_cleans && config.rogue_dirty,
        |config| !config.ordered_by_address,
        |config| config.uncached_alias,
        |config| config.snooping == Snooping::Snoops,
        |config| {
            config
                .geometry()
                .is_ok_and(|both| both.granule() > both.line())
        },
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        assert!(all.iter().any(kind), "kind {number}");
    }
}

#[test]
fn coherent_memory_is_uncached_memory_an_alias_or_none() {
    let behind = Config {
        uncached_len: 64,
        ..plain()
    };
    let alias = Config {
        uncached_alias: true,
        ..plain()
    };
    let first_byte = |config: Config| {
        let machine = SimMachine::new(config).unwrap();
        let device = Device::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop)?;
        let memory = device.allocate_coherent(8)?.publish();
        let first = memory.dma_addr().get();
        // SAFETY: no device uses it.
        drop(unsafe { memory.unpublish() });
        Ok::<_, Error>(first)
    };
    assert_eq!(first_byte(behind), Ok(0x1000_0040));
    assert_eq!(first_byte(alias), Ok(0x1000_0000));
    assert_eq!(first_byte(plain()), Err(Error::NoCoherentMemory));
}

#[test]
fn a_pool_hands_out_whole_units_of_the_machines_memory() {
    let config = Config {
        cached_len: 256,
        unit: 128,
        ..plain()
    };
    let machine = SimMachine::new(config).unwrap();
    let free = || machine.pool().free_bytes();
    let device = Device::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap();
    let (none_taken, buffer) = (free(), device.allocate::<dma_api::ToDevice>(1).unwrap());
    assert_eq!((none_taken, free()), (256, 128));
    drop(buffer);
    assert_eq!(free(), 256);
}

#[test]
#[should_panic(expected = "CPU stores bytes 0x3f..0x41: memory has 0x40 bytes")]
fn the_processor_by_hand_is_told_where_memory_ends() {
    let machine = SimMachine::new(plain()).unwrap();
    Cpu::new(&machine).store(63, &[1, 2]);
}

#[test]
#[should_panic(expected = "V9: a barrier is missing")]
fn a_machine_that_found_something_wrong_does_not_go_quietly() {
    let machine = SimMachine::new(plain()).unwrap();
    let cpu = Cpu::new(&machine);
    cpu.store(0, &[1]);
    cpu.lend(0, 1, DataDirection::ToDevice);
}

#[test]
fn a_verdict_is_given_once() {
    let machine = SimMachine::new(plain()).unwrap();
    let cpu = Cpu::new(&machine);
    cpu.store(0, &[1]);
    cpu.lend(0, 1, DataDirection::ToDevice);
    assert!(machine.verdict().is_err());
    assert!(machine.verdict().is_ok());
}
