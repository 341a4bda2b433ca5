//! Writes of devices: under way until they arrive, in pieces and in any order but that of one byte.

use sim::{Config, steps::Move};

use crate::bench::{Bench, FRESH, fill, is_possible, l1, plain, seen};

const fn land(index: usize) -> Move {
    Move::Land { index }
}

/// Lines of 32 bytes, so that writes arrive in pieces of sixteen.
fn pieces_of_sixteen() -> Config {
    Config {
        line: 32,
        granule: 32,
        ..plain()
    }
}

/// Sixteen bytes of each quarter of memory, as memory has them.
pub(crate) fn quarters(bench: &Bench<'_>) -> [u8; 4] {
    [0, 16, 32, 48].map(|at| bench.memory_is(at, 16))
}

#[test]
fn a_devices_write_is_under_way_until_something_waits_for_it() {
    let after = |waits: fn(&Bench<'_>)| {
        seen(&plain(), |bench| {
            bench.device_writes(0, 64, 7);
            waits(bench);
            bench.memory_is(0, 64)
        })
    };
    let waits: [fn(&Bench<'_>); 3] = [
        |bench| bench.cpu.after_completion(),
        |bench| bench.device().settle(),
        // The device's own reads are behind its writes.
        |bench| drop(bench.device().read(bench.cpu.dma(0), 64).unwrap()),
    ];
    assert_eq!(waits.map(after), [7; 3]);
    let others: [fn(&Bench<'_>); 4] = [
        |bench| bench.pause(),
        |bench| bench.cpu.complete(),
        |bench| bench.cpu.before_doorbell(),
        |bench| bench.device().doorbell(),
    ];
    assert_eq!(others.map(after), [FRESH; 4]);
}

#[test]
fn a_devices_read_waits_for_its_writes_to_the_same_bytes_alone() {
    let memory = seen(&pieces_of_sixteen(), |bench| {
        bench.device_writes(0, 64, 7);
        let _ = bench.device().read(bench.cpu.dma(31), 2).unwrap();
        quarters(bench)
    });
    assert_eq!(memory, [FRESH, 7, 7, FRESH]);
}

#[test]
fn what_a_devices_read_waits_for_arrives_in_order_too() {
    let (read, memory) = seen(&pieces_of_sixteen(), |bench| {
        // The second write is after the first in bytes 8 to 12; the read is of byte 20 alone, the third of none of them.
        bench.device_writes(0, 12, 7);
        bench.device_writes(8, 16, 8);
        bench.device_writes(32, 16, 9);
        let read = bench.device().read(bench.cpu.dma(20), 1).unwrap();
        let early = [
            bench.memory_is(0, 8),
            bench.memory_is(8, 16),
            bench.memory_is(32, 16),
        ];
        bench.device().settle();
        (read, (early, bench.memory_is(8, 16)))
    });
    assert_eq!((read, memory), (vec![8], ([7, 8, FRESH], 8)));
}

#[test]
fn a_write_arrives_in_pieces_of_sixteen_bytes_in_any_order() {
    let memory = seen(&pieces_of_sixteen(), |bench| {
        let bytes: Vec<u8> = (1..=40).collect();
        bench.device().write(bench.cpu.dma(8), &bytes).unwrap();
        // The second of the three pieces, then the last, then the first.
        [1, 1, 0].map(|index| {
            bench.hardware(land(index));
            bench.pause();
            bench.memory(0, 64)
        })
    });
    let with = |pieces: core::ops::Range<usize>| {
        let mut memory = vec![FRESH; 64];
        for (at, value) in (8..48).zip(1..) {
            if pieces.contains(&at) {
                memory[at] = value;
            }
        }
        memory
    };
    assert_eq!(memory, [with(24..40), with(24..48), with(8..48)]);
}

#[test]
fn a_piece_is_never_a_whole_line_unless_that_is_a_byte() {
    let pieces = |line: usize| {
        let config = Config {
            line,
            granule: 64,
            ..plain()
        };
        // How many there are, the moves that are possible say.
        let possible = |index| {
            is_possible(&config, |bench| {
                bench.device_writes(0, 64, 7);
                bench.hardware(land(index));
            })
        };
        (0..65).take_while(|index| possible(*index)).count()
    };
    assert_eq!([64, 32, 16, 2, 1].map(pieces), [4, 4, 8, 64, 64]);
}

#[test]
fn what_is_not_under_way_does_not_arrive() {
    let possible = [0, 3, 4].map(|index| {
        is_possible(&pieces_of_sixteen(), |bench| {
            bench.device_writes(0, 64, 7);
            bench.hardware(land(index));
        })
    });
    assert_eq!(possible, [true, true, false]);
}

#[test]
fn two_writes_to_one_byte_arrive_in_the_order_in_which_they_were_made() {
    let possible = [0, 1, 2].map(|index| {
        is_possible(&pieces_of_sixteen(), |bench| {
            bench.device_writes(0, 16, 7);
            bench.device_writes(15, 2, 8);
            bench.device_writes(17, 1, 9);
            bench.hardware(land(index));
        })
    });
    assert_eq!(possible, [true, false, true]);
    let memory = seen(&pieces_of_sixteen(), |bench| {
        bench.device_writes(0, 16, 7);
        bench.device_writes(8, 16, 8);
        bench.device().settle();
        bench.memory(6, 4)
    });
    assert_eq!(memory, [7, 7, 8, 8]);
}

#[test]
fn a_fill_before_a_piece_arrives_holds_the_old_bytes() {
    let cpu = seen(&pieces_of_sixteen(), |bench| {
        bench.device_writes(0, 32, 7);
        bench.hardware(land(1));
        bench.hardware(fill(l1(), 0));
        bench.cpu.after_completion();
        [0, 16].map(|at| bench.cpu_sees(at, 16))
    });
    assert_eq!(cpu, [FRESH, 7], "a line may be torn");
}
