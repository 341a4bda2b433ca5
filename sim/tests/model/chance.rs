//! Programs by chance on machines by chance: what is right is never found wrong, and what is wrong is never silent.

use core::cell::Cell;

use proptest::{prelude::*, test_runner::RngSeed};
use sim::{Adversary, Config, Oracle, SimMachine, trial};

use crate::programs::{Act, Run, machines, programs};

/// As many programs as the environment's `PROPTEST_CASES` says, the same ones each time unless `PROPTEST_RNG_SEED` is there.
fn cases() -> ProptestConfig {
    let config = ProptestConfig::default();
    let rng_seed = match config.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    ProptestConfig {
        rng_seed,
        failure_persistence: None,
        ..config
    }
}

/// A named adversary half of the time, a random one the other.
fn adversaries() -> impl Strategy<Value = Adversary> {
    let named = Adversary::named();
    prop_oneof![
        (0..named.len()).prop_map(move |index| named[index].clone()),
        any::<u64>().prop_map(Adversary::seeded),
    ]
}

fn run(
    config: &Config,
    adversary: &Adversary,
    program: &[Act],
    without: Option<usize>,
) -> (Result<(), Box<sim::Failure>>, usize) {
    let steps = Cell::new(0);
    let result = trial::run(config, adversary, |machine: &SimMachine| {
        let mut run = Run::new(machine, without);
        let outcome = run.all(program);
        steps.set(run.steps);
        outcome
    });
    (result, steps.into_inner())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_right_program_is_never_found_wrong(
        config in machines(),
        adversary in adversaries(),
        program in programs(),
    ) {
        let (result, _) = run(&config, &adversary, &program, None);
        prop_assert!(result.is_ok(), "{}", result.unwrap_err());
    }

    #[test]
    fn a_wrong_value_is_never_silent(
        config in machines(),
        adversary in adversaries(),
        program in programs(),
        without in any::<prop::sample::Index>(),
    ) {
        let (_, steps) = run(&config, &Adversary::Lazy, &program, None);
        let without = without.index(steps.max(1));
        let (result, _) = run(&config, &adversary, &program, Some(without));
        if let Err(failure) = result {
            prop_assert_ne!(failure.violation.oracle, Oracle::DriverFailed, "{}", failure);
        }
    }
}

#[test]
fn leaving_steps_out_is_mostly_found_wrong() {
    // What the properties above are worth: programs do transfer something, and most steps matter.
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::new(cases());
    let (mut tried, mut found) = (0, 0);
    for seed in 0..200 {
        let config = machines().new_tree(&mut runner).unwrap().current();
        let program = programs().new_tree(&mut runner).unwrap().current();
        let (_, steps) = run(&config, &Adversary::Lazy, &program, None);
        for without in 0..steps {
            let adversary = Adversary::seeded(seed);
            let (result, _) = run(&config, &adversary, &program, Some(without));
            tried += 1;
            found += usize::from(result.is_err());
        }
    }
    println!("{found} of {tried}");
    assert!(tried > 1000 && found * 3 > tried, "{found} of {tried}");
}
