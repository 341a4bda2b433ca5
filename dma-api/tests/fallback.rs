//! Allocators composed of pools, against the pools' models asked in their order.
#![expect(
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test adopts memory, forges blocks, calculates, and panics"
)]

mod model;

use core::{cell::Cell, num::NonZeroUsize, ops::Range, ptr::NonNull};

use dma_api::{
    Alignment, BitmapPool, Block, DmaAllocator, Error, PerCpu, PhysAddr, Refused, Request,
    SearchOrder,
};
use model::{
    Model, Wish,
    ram::{Ram, request, soil},
};
use proptest::{collection::vec, prelude::*};

/// A pool and what is known of it.
struct Member {
    pool: BitmapPool<1>,
    model: Model,
    ram: Ram,
}

impl Member {
    fn new(unit: usize, units: usize, base: u64) -> Self {
        let (pool, ram) = (BitmapPool::new(), Ram::new(unit * units, unit.max(4096)));
        let (phys, alignment) = (PhysAddr::new(base), Alignment::new(unit as u64).unwrap());
        // SAFETY: the memory is the pool's alone for as long as the member exists.
        unsafe { pool.adopt(ram.start, phys, unit * units, alignment) }.unwrap();
        let model = Model {
            base,
            unit,
            units,
            taken: Vec::new(),
        };
        Self { pool, model, ram }
    }

    /// The bytes of a block in here.
    fn bytes(&self, block: &Block) -> Option<Range<usize>> {
        let phys = block.phys().start().get();
        let start = usize::try_from(phys.checked_sub(self.model.base)?).ok()?;
        let at = self.ram.start.addr().get() + start;
        assert!(start >= self.model.len() || at == block.memory().cast::<u8>().addr().get());
        (start < self.model.len()).then(|| start..start + block.len_bytes())
    }

    fn agree(&self) {
        let now = (self.pool.free_bytes(), self.pool.largest_free());
        assert_eq!(now, self.model.free());
    }
}

thread_local! {
    /// The CPU that this thread pretends to run on.
    static CPU: Cell<usize> = const { Cell::new(0) };
}

fn this_cpu() -> usize {
    CPU.get()
}

/// How the members are put together.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Order,
    PerCpu,
}

struct Composed {
    kind: Kind,
    members: Vec<Member>,
    /// Blocks that are handed out, each with its member's index.
    blocks: Vec<(usize, Block)>,
}

impl Composed {
    /// Each member lies at a multiple of a mebibyte of its own.
    fn new(kind: Kind, shapes: &[(usize, usize, u64)]) -> Self {
        CPU.set(0);
        let members = shapes
            .iter()
            .map(|&(unit, units, place)| Member::new(unit, units, place << 20));
        Self {
            kind,
            members: members.collect(),
            blocks: Vec::new(),
        }
    }

    fn with<R>(&self, act: impl FnOnce(&dyn DmaAllocator) -> R) -> R {
        let pools: Vec<&(dyn DmaAllocator + Sync)> = self
            .members
            .iter()
            .map(|member| &member.pool as &(dyn DmaAllocator + Sync))
            .collect();
        match self.kind {
            Kind::Order => act(&SearchOrder::new(&pools)),
            Kind::PerCpu => act(&PerCpu::new(&pools, this_cpu)),
        }
    }

    /// The indices of the members in the order in which they are asked.
    fn order(&self) -> Vec<usize> {
        let count = self.members.len();
        let first = match self.kind {
            Kind::Order => 0,
            Kind::PerCpu => CPU.get() % count.max(1),
        };
        (0..count).map(|n| (first + n) % count).collect()
    }

    fn expected(&self, request: &Request) -> Result<(usize, Range<usize>), Error> {
        let len = request.len.get();
        let (mut capacity, mut largest) = (0, None::<usize>);
        for index in self.order() {
            match self.members[index].model.expected(request) {
                Ok(bytes) => return Ok((index, bytes)),
                Err(Error::NeverFits { capacity: one, .. }) => capacity += one,
                Err(Error::Exhausted { largest_free, .. }) => {
                    largest = largest.max(Some(largest_free))
                }
                Err(other) => panic!("a model does not say {other}"),
            }
        }
        Err(match largest {
            Some(largest_free) => Error::Exhausted { len, largest_free },
            None => Error::NeverFits { len, capacity },
        })
    }

    fn allocate(&mut self, request: &Request) -> Result<(usize, Range<usize>), Error> {
        let expected = self.expected(request);
        let block = self.with(|memory| memory.allocate(request));
        let found = block.as_ref().map_err(|error| *error).map(|block| {
            let owner = |(index, member): (usize, &Member)| Some((index, member.bytes(block)?));
            self.members.iter().enumerate().find_map(owner).unwrap()
        });
        assert_eq!(found, expected, "{request:?}");

        if let (Ok(mut block), Ok((index, bytes))) = (block, expected.clone()) {
            soil(&mut block);
            self.members[index].model.taken.push(bytes);
            self.blocks.push((index, block));
        }
        self.agree();
        expected
    }

    fn free_one(&mut self, index: usize) {
        if self.blocks.is_empty() {
            return;
        }
        let (owner, block) = self.blocks.swap_remove(index % self.blocks.len());
        let bytes = self.members[owner].bytes(&block).unwrap();
        self.members[owner]
            .model
            .taken
            .retain(|taken| *taken != bytes);
        let returned = self.with(|memory| memory.free(block));
        assert_eq!(returned.map_err(|refused| refused.error), Ok(()));
        self.agree();
    }

    /// Offers bytes that were never handed out: `offset` in the member `phys`, or behind it, and that in the memory of
    /// the member `cpu`.
    fn refuse(&self, phys: usize, cpu: usize, offset: usize, len: NonZeroUsize) {
        let count = self.members.len();
        if count == 0 {
            return;
        }
        let (member, other) = (&self.members[phys % count], &self.members[cpu % count]);
        let offset = offset % (member.model.len() + 64);
        let (bytes, len) = (offset..offset + len.get(), len.get());
        let same = phys % count == cpu % count;
        if same && member.model.taken.contains(&bytes) {
            return;
        }
        let start = other.ram.start.as_ptr().wrapping_add(offset);
        let memory = NonNull::slice_from_raw_parts(NonNull::new(start).unwrap(), len);
        let at = member.model.at(offset);
        // SAFETY: deliberately none of it is true; nobody accesses the bytes, since the pools are to refuse them.
        let forged = unsafe { Block::new(memory, at) }.unwrap();

        let Refused { error, value } = self.with(|memory| memory.free(forged)).unwrap_err();

        let phys = at.get();
        let expected = if same && bytes.end <= member.model.len() {
            Error::NotAllocated { phys, len }
        } else {
            Error::ForeignBlock { phys, len }
        };
        assert_eq!(error, expected);
        assert_eq!((value.memory(), value.phys().start()), (memory, at));
        self.agree();
    }

    fn agree(&self) {
        self.members.iter().for_each(Member::agree);
    }
}

#[derive(Clone, Debug)]
enum Operation {
    /// Made to fit the member of that index.
    Allocate(usize, Wish),
    Free(usize),
    Refuse(usize, usize, usize, NonZeroUsize),
    Move(usize),
}

fn wish() -> impl Strategy<Value = Wish> {
    let power = || prop_oneof![3 => Just(None), 1 => (0_u32..6).prop_map(Some)];
    let len = prop_oneof![6 => 0_usize..4, 1 => 0_usize..70];
    let window = prop_oneof![3 => Just(None), 1 => any::<(usize, usize)>().prop_map(Some)];
    ((len, any::<usize>()), power(), power(), window).prop_map(
        |(len, alignment, boundary, window)| Wish {
            len,
            alignment,
            boundary,
            window,
            bus_offset: (0, 0),
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    let len = (1_usize..200).prop_map(|len| NonZeroUsize::new(len).unwrap());
    prop_oneof![
        10 => (any::<usize>(), wish()).prop_map(|(member, wish)| Operation::Allocate(member, wish)),
        6 => any::<usize>().prop_map(Operation::Free),
        3 => (any::<usize>(), any::<usize>(), any::<usize>(), len)
            .prop_map(|(phys, cpu, at, len)| Operation::Refuse(phys, cpu, at / 16 * 16, len)),
        2 => any::<usize>().prop_map(Operation::Move),
    ]
}

/// Up to four members, not in the order of their addresses.
fn shapes() -> impl Strategy<Value = Vec<(usize, usize, u64)>> {
    let member = ((4_u32..8).prop_map(|bits| 1_usize << bits), 1_usize..40);
    (
        vec(member, 0..=4),
        Just(vec![7_u64, 2, 9, 4]).prop_shuffle(),
    )
        .prop_map(|(members, places)| {
            let placed = members.into_iter().zip(places);
            placed
                .map(|((unit, units), place)| (unit, units, place))
                .collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn allocators_in_an_order_do_what_asking_each_model_does(
        kind in prop_oneof![Just(Kind::Order), Just(Kind::PerCpu)],
        shapes in shapes(),
        operations in vec(operation(), 1..120),
    ) {
        let mut composed = Composed::new(kind, &shapes);

        for operation in operations {
            match operation {
                Operation::Allocate(member, wish) => {
                    let any = Model { base: 0x30_0000, unit: 64, units: 9, taken: Vec::new() };
                    let count = composed.members.len().max(1);
                    let member = composed.members.get(member % count);
                    let request = wish.of(member.map_or(&any, |member| &member.model));
                    let _ = composed.allocate(&request);
                }
                Operation::Free(index) => composed.free_one(index),
                Operation::Refuse(phys, cpu, at, len) => composed.refuse(phys, cpu, at, len),
                Operation::Move(cpu) => CPU.set(cpu),
            }
        }

        while !composed.blocks.is_empty() {
            composed.free_one(0);
        }
    }
}

// What chance may miss.

#[test]
fn nobody_to_ask_has_no_memory() {
    for kind in [Kind::Order, Kind::PerCpu] {
        let mut none = Composed::new(kind, &[]);
        let never = Error::NeverFits {
            len: 7,
            capacity: 0,
        };
        assert_eq!(none.allocate(&request(7)), Err(never));

        let mut other = Composed::new(kind, &[(64, 1, 1)]);
        other.allocate(&request(64)).unwrap();
        let (_, block) = other.blocks.remove(0);
        let refused = none.with(|memory| memory.free(block)).unwrap_err();
        let foreign = Error::ForeignBlock {
            phys: 1 << 20,
            len: 64,
        };
        assert_eq!(refused.error, foreign);
    }
}

#[test]
fn a_request_goes_to_the_first_that_meets_it_and_its_block_back_there() {
    let mut composed = Composed::new(Kind::Order, &[(64, 2, 9), (64, 4, 2)]);
    let mut low = request(64);
    low.highest = PhysAddr::new(5 << 20);

    // What has limits passes the first over; what has none spares the second.
    assert_eq!(composed.allocate(&low), Ok((1, 0..64)));
    assert_eq!(composed.allocate(&request(64)), Ok((0, 0..64)));
    assert_eq!(composed.allocate(&request(100)), Ok((1, 64..192)));
    assert_eq!(composed.allocate(&request(64)), Ok((0, 64..128)));
    assert_eq!(composed.allocate(&request(64)), Ok((1, 192..256)));
    // The second's block, which the first is offered before; then one of the first's.
    composed.free_one(2);
    assert_eq!(composed.allocate(&request(100)), Ok((1, 64..192)));
    composed.free_one(1);
    assert_eq!(composed.allocate(&request(64)), Ok((0, 0..64)));
}

#[test]
fn never_is_said_if_all_say_it_and_the_longest_run_is_of_those_that_do_not() {
    let mut composed = Composed::new(Kind::Order, &[(64, 8, 9), (64, 4, 2), (64, 2, 4)]);
    let never = Error::NeverFits {
        len: 513,
        capacity: 14 * 64,
    };
    assert_eq!(composed.allocate(&request(513)), Err(never));

    // All of the second and a half of the third are taken, and the first is too high.
    let mut low = request(128);
    low.highest = PhysAddr::new(5 << 20);
    composed.allocate(&low).unwrap();
    composed.allocate(&low).unwrap();
    let mut half = low;
    half.len = NonZeroUsize::new(64).unwrap();
    composed.allocate(&half).unwrap();
    let now = Error::Exhausted {
        len: 128,
        largest_free: 64,
    };
    assert_eq!(composed.allocate(&low), Err(now));
}

#[test]
fn a_cpu_begins_with_its_own_and_goes_on_around_the_end() {
    let mut composed = Composed::new(Kind::PerCpu, &[(64, 1, 1), (64, 1, 2), (64, 1, 3)]);

    CPU.set(5);
    assert_eq!(composed.allocate(&request(1)), Ok((2, 0..64)));
    assert_eq!(composed.allocate(&request(1)), Ok((0, 0..64)));
    assert_eq!(composed.allocate(&request(1)), Ok((1, 0..64)));
    let exhausted = Error::Exhausted {
        len: 1,
        largest_free: 0,
    };
    assert_eq!(composed.allocate(&request(1)), Err(exhausted));
    // Wherever it is given back, it goes to its own.
    CPU.set(usize::MAX - 1);
    composed.free_one(1);
    assert_eq!(composed.allocate(&request(1)), Ok((0, 0..64)));
}

/// Says the same to everything.
struct Stubborn(Error);

// SAFETY: it hands out nothing.
unsafe impl DmaAllocator for Stubborn {
    fn allocate(&self, _: &Request) -> Result<Block, Error> {
        Err(self.0)
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        Err(Refused::new(self.0, block))
    }
}

#[test]
fn one_alone_behaves_as_without_the_order() {
    let errors = [
        Error::NoCoherentMemory,
        Error::NeverFits {
            len: 4096,
            capacity: 3,
        },
        Error::Exhausted {
            len: 4096,
            largest_free: 3,
        },
    ];
    for error in errors {
        let alone = [Stubborn(error)];

        let order = SearchOrder::new(&alone);
        let per_cpu = PerCpu::new(&alone, this_cpu);

        assert_eq!(order.allocate(&request(1)).err(), Some(error));
        assert_eq!(per_cpu.allocate(&request(1)).err(), Some(error));
    }
}

#[test]
fn not_now_says_more_than_anything_else_and_that_more_than_never() {
    let never = |capacity| Error::NeverFits { len: 1, capacity };
    let now = |largest_free| Error::Exhausted {
        len: 1,
        largest_free,
    };
    let (none, wraps) = (
        Error::NoCoherentMemory,
        Error::LengthOverflow {
            len: 1,
            multiple: 64,
        },
    );
    let said = |errors: &[Error]| {
        let members: Vec<_> = errors.iter().map(|error| Stubborn(*error)).collect();
        SearchOrder::new(&members).allocate(&request(1)).err()
    };

    assert_eq!(said(&[never(5), none, wraps]), Some(none));
    assert_eq!(said(&[none, never(5)]), Some(none));
    assert_eq!(said(&[none, now(2), never(9)]), Some(now(2)));
    assert_eq!(said(&[now(2), none, now(7), now(3)]), Some(now(7)));
    assert_eq!(
        said(&[never(usize::MAX), never(2)]),
        Some(never(usize::MAX))
    );
}

#[test]
fn memory_that_another_member_hands_out_in_parts_goes_back_to_that() {
    let outer = Member::new(256, 4, 1 << 20);
    let whole = outer.pool.allocate(&request(256)).unwrap();
    let inner = BitmapPool::<1>::new();
    let (cpu, phys) = (whole.memory().cast(), whole.phys().start());
    // SAFETY: the block is never used again.
    unsafe { inner.adopt(cpu, phys, 256, Alignment::new(64).unwrap()) }.unwrap();
    let members: [&(dyn DmaAllocator + Sync); 2] = [&outer.pool, &inner];
    let inside = SearchOrder::new(&members);
    let members: [&(dyn DmaAllocator + Sync); 1] = [&inside];
    let memory = SearchOrder::new(&members);

    let part = inner.allocate(&request(64)).unwrap();
    assert_eq!(memory.free(part).map_err(|refused| refused.error), Ok(()));
    assert_eq!(inner.free_bytes(), 256);

    // Once it is back, both have the address, and neither the block.
    let part = inner.allocate(&request(64)).unwrap();
    let (bytes, at) = (part.memory(), part.phys().start());
    memory.free(part).unwrap();
    // SAFETY: deliberately none of it is true; nobody accesses the bytes.
    let again = unsafe { Block::new(bytes, at) }.unwrap();
    let refused = memory.free(again).unwrap_err();
    let not = Error::NotAllocated {
        phys: at.get(),
        len: 64,
    };
    assert_eq!(refused.error, not);
}

#[test]
fn printing_one_says_how_many_there_are() {
    let members = [Stubborn(Error::ZeroLength), Stubborn(Error::ZeroLength)];

    let order = format!("{:?}", SearchOrder::new(&members));
    let per_cpu = format!("{:?}", PerCpu::new(&members, this_cpu));

    assert_eq!(order, "SearchOrder { members: 2, .. }");
    assert_eq!(per_cpu, "PerCpu { members: 2, .. }");
}
