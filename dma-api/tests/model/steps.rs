//! What chance does to a pool and its model.

use proptest::prelude::*;

use crate::{
    bench::{Bench, Subject},
    model::{Wish, ram::request},
};

/// What is done to a pool and its model.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Allocate(Wish),
    Free(usize),
    Refuse(usize, usize),
}

pub(crate) fn wish() -> impl Strategy<Value = Wish> {
    let power = || prop_oneof![2 => Just(None), 3 => (0_u32..9).prop_map(Some)];
    let len = prop_oneof![8 => 0_usize..6, 2 => 0_usize..40, 1 => 0_usize..150];
    let window = prop_oneof![2 => Just(None), 1 => any::<(usize, usize)>().prop_map(Some)];
    let bus_offset = prop_oneof![
        3 => Just((0, 0)),
        3 => (any::<u64>(), Just(0)),
        1 => (any::<u64>(), 0_u64..64),
    ];
    ((len, any::<usize>()), power(), power(), window, bus_offset).prop_map(
        |(len, alignment, boundary, window, bus_offset)| Wish {
            len,
            alignment,
            boundary,
            window,
            bus_offset,
        },
    )
}

pub(crate) fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        10 => wish().prop_map(Operation::Allocate),
        7 => any::<usize>().prop_map(Operation::Free),
        1 => (any::<usize>(), 1_usize..5000).prop_map(|(index, by)| Operation::Refuse(index, by)),
    ]
}

/// Bytes of a unit, units, bytes that are left over, and the first address. Small units come more often, since they make more cases a second.
pub(crate) fn shape(max_units: usize) -> impl Strategy<Value = (usize, usize, usize, u64)> {
    let unit = prop_oneof![8 => 4_u32..9, 1 => 9_u32..13].prop_map(|bits| 1_usize << bits);
    (
        unit,
        1_usize..=max_units,
        any::<usize>(),
        0_u64..64,
        0_u8..4,
    )
        .prop_map(|(unit, units, extra, base, place)| {
            let base = match place {
                // The very end of the address space, its very beginning, or somewhere in between.
                0 => 0_u64.wrapping_sub((unit * units) as u64),
                1 => 0,
                _ => 0x8000_0000 + base * unit as u64,
            };
            // What is left over must exist as physical memory, too.
            let extra = if base.checked_add((unit * (units + 1)) as u64).is_some() {
                extra % unit
            } else {
                0
            };
            (unit, units, extra, base)
        })
}

/// All of it, and then everything is given back and had in one piece.
pub(crate) fn run<P: Subject>(bench: &mut Bench<P>, operations: Vec<Operation>) {
    for operation in operations {
        match operation {
            Operation::Allocate(wish) => {
                let request = wish.of(&bench.model);
                bench.allocate(&request);
            }
            Operation::Free(index) => bench.free_one(index),
            Operation::Refuse(index, by) => bench.refuse_around(index, by),
        }
    }

    while !bench.blocks.is_empty() {
        bench.free_one(0);
    }
    let all = bench.model.len();
    bench.allocate(&request(all));
    assert_eq!(bench.blocks.len(), 1);
}
