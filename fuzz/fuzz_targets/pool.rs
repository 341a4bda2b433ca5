//! Bytes are read as the shape of a pool and as what is done with it, which its model must agree with.
#![no_main]

#[path = "../../dma-api/tests/model/mod.rs"]
mod model;

#[path = "../../dma-api/tests/model/bench.rs"]
mod bench;

use bench::{Bench, Subject};
use dma_api::{BitmapPool, bitmap::UNITS_PER_WORD};
use libfuzzer_sys::{
    arbitrary::{Result, Unstructured},
    fuzz_target,
};
use model::{Wish, ram::request};

const WORDS: usize = 3;

// Each pool is one line here: its type, and how many units it has at most.
fuzz_target!(|data: &[u8]| {
    // Bytes that do not suffice end the operations.
    let _ = run::<BitmapPool<WORDS>>(WORDS * UNITS_PER_WORD, &mut Unstructured::new(data));
});

/// Does to a pool and to its model what the bytes say, and gives all of it back.
fn run<P: Subject>(most_units: usize, bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut bench = bench::<P>(most_units, bytes)?;
    let end = operate(&mut bench, bytes);

    while !bench.blocks.is_empty() {
        bench.free_one(0);
    }
    let all = bench.model.len();
    bench.allocate(&request(all));
    assert_eq!(bench.blocks.len(), 1, "a pool that has all back has all");
    end
}

fn operate<P: Subject>(bench: &mut Bench<P>, bytes: &mut Unstructured<'_>) -> Result<()> {
    while !bytes.is_empty() {
        match bytes.int_in_range(0..=15)? {
            0..=8 => {
                let request = wish(bytes)?.of(&bench.model);
                bench.allocate(&request);
            }
            9..=14 => bench.free_one(usize::from(bytes.arbitrary::<u8>()?)),
            _ => {
                let index = usize::from(bytes.arbitrary::<u8>()?);
                bench.refuse_around(index, bytes.int_in_range(1..=5000)?);
            }
        }
    }
    Ok(())
}

fn bench<P: Subject>(most_units: usize, bytes: &mut Unstructured<'_>) -> Result<Bench<P>> {
    let unit = 1_usize << bytes.int_in_range(4..=9)?;
    let units = bytes.int_in_range(1..=most_units)?;
    let size = (unit * units) as u64;
    let base = match bytes.int_in_range(0..=3)? {
        // The very end of the address space, its very beginning, or somewhere in between.
        0 => 0_u64.wrapping_sub(size),
        1 => 0,
        _ => 0x8000_0000 + bytes.int_in_range(0..=63)? * unit as u64,
    };
    // What is left over must exist as physical memory, too.
    let extra = bytes.int_in_range(0..=unit - 1)?;
    let exists = base.checked_add(size + unit as u64).is_some();
    Ok(Bench::new(
        unit,
        units,
        if exists { extra } else { 0 },
        base,
    ))
}

fn wish(bytes: &mut Unstructured<'_>) -> Result<Wish> {
    let units = match bytes.int_in_range(0..=7)? {
        0 => bytes.int_in_range(0..=200)?,
        1 => bytes.int_in_range(0..=63)?,
        _ => bytes.int_in_range(0..=5)?,
    };
    let fraction = usize::from(bytes.arbitrary::<u16>()?);
    let mut power = || -> Result<Option<u32>> {
        let power = bytes.int_in_range(0..=12)?;
        Ok((power < 10).then_some(power))
    };
    let (alignment, boundary) = (power()?, power()?);
    let window = if bytes.ratio(1, 3)? {
        let mut edge = || bytes.arbitrary::<u32>().map(|edge| edge as usize);
        Some((edge()?, edge()?))
    } else {
        None
    };
    let bus_offset = match bytes.int_in_range(0..=3)? {
        0 => (bytes.arbitrary()?, 0),
        1 => (bytes.arbitrary()?, bytes.int_in_range(0..=63)?),
        _ => (0, 0),
    };
    Ok(Wish {
        len: (units, fraction),
        alignment,
        boundary,
        window,
        bus_offset,
    })
}
