//! A driver's test under every adversary: the first failure is made as short as it can be, and explained.

use std::{
    any::Any,
    cell::Cell,
    env,
    error::Error,
    ffi::OsStr,
    fmt,
    panic::{self, AssertUnwindSafe},
    path,
    sync::{Arc, Once},
};

use crate::{
    adversary::Adversary,
    config::Config,
    history::{History, Timed},
    machine::{Failure, SimMachine},
    steps::Owner,
    violation::{Oracle, Violation},
};

/// Random adversaries that [`check`] tries after the named ones.
pub const SEEDS: u64 = 50;

/// Runs that are spent on making a failure shorter, at the most.
const SHRINKING_RUNS: usize = 600;

/// What a driver's test gives.
pub type Outcome = Result<(), Box<dyn Error>>;

/// The environment variable that names the file for [`check`]'s picture.
const PICTURE: &str = "SIM_PICTURE";

/// Runs a driver's test on a machine like `config` under every named adversary and under [`SEEDS`] random ones.
///
/// The test is run many times, each time on a machine of its own, and must do the same each time.
///
/// # Panics
/// If the test fails, panics, or does anything that the machine finds wrong, with the fewest moves of the hardware that
/// bring it about. If the variable `SIM_PICTURE` is set in the environment, the file that it names shows the history as a
/// page of HTML; of several tests that fail, the last one's.
#[track_caller]
pub fn check(config: &Config, driver: impl Fn(&SimMachine) -> Outcome) {
    if let Err(failure) = find(config, Adversary::all(SEEDS), driver) {
        let picture = drawn(&failure, env::var_os(PICTURE).as_deref());
        panic!("{failure}{picture}");
    }
}

/// Writes the picture to the file that was asked for, if one was, and says where it is or how to get it.
fn drawn(failure: &Failure, file: Option<&OsStr>) -> String {
    let Some(file) = file else {
        return format!(
            "for a picture of this, set {PICTURE} to the name of a file, such as failure.html"
        );
    };
    let shown = path::absolute(file).unwrap_or_else(|_| file.into());
    match failure.write_picture(&shown) {
        Ok(()) => format!("a picture of this is in {}", shown.display()),
        Err(error) => format!("no picture of this is in {}: {error}", shown.display()),
    }
}

/// Runs a driver's test under each of these adversaries until one makes it fail. Returns how many it was run under.
///
/// # Errors
/// The failure, with the fewest moves that bring it about.
pub fn find(
    config: &Config,
    adversaries: impl IntoIterator<Item = Adversary>,
    driver: impl Fn(&SimMachine) -> Outcome,
) -> Result<usize, Box<Failure>> {
    let mut tried = 0;
    for adversary in adversaries {
        if let Err(failure) = run(config, &adversary, &driver) {
            return Err(Box::new(shrink(config, *failure, &driver)));
        }
        tried += 1;
    }
    Ok(tried)
}

/// Runs a driver's test under one adversary.
///
/// # Errors
/// What was found wrong first, by the machine or by the test itself.
pub fn run(
    config: &Config,
    adversary: &Adversary,
    driver: impl Fn(&SimMachine) -> Outcome,
) -> Result<(), Box<Failure>> {
    let machine = machine(config, adversary);
    let outcome = quietly(|| driver(&machine));
    machine.verdict()?;
    outcome.map_err(|detail| {
        let history = machine.history();
        Box::new(Failure {
            machine: config.name,
            adversary: adversary.to_string(),
            violation: Violation {
                oracle: Oracle::DriverFailed,
                bytes: 0..0,
                owner: Owner::Nobody,
                values: None,
                detail,
                step: history.steps().len(),
            },
            history,
        })
    })
}

fn machine(config: &Config, adversary: &Adversary) -> SimMachine {
    SimMachine::new(config.under(adversary.clone()))
        .unwrap_or_else(|error| panic!("no machine is like {}: {error}", config.name))
}

/// Leaves out moves as long as the same thing is found wrong without them, until none can be left out alone.
fn shrink(
    config: &Config,
    mut failure: Failure,
    driver: impl Fn(&SimMachine) -> Outcome,
) -> Failure {
    let mut moves = failure.history.moves();
    let mut runs = 0;
    let mut piece = moves.len();
    while piece > 0 && runs < SHRINKING_RUNS {
        let before = moves.len();
        let mut from = 0;
        while from < moves.len() && runs < SHRINKING_RUNS {
            let kept = without(&moves, from, piece);
            runs += 1;
            match run(config, &Adversary::Scripted(Arc::from(kept)), &driver) {
                Err(shorter) if shorter.violation.oracle == failure.violation.oracle => {
                    moves = shorter.history.moves();
                    failure = Failure {
                        adversary: failure.adversary,
                        ..*shorter
                    };
                }
                _ => from += piece,
            }
        }
        // Without a move that was left out, one that was kept may be needless.
        if piece > 1 || moves.len() == before {
            piece /= 2;
        }
    }
    failure
}

fn without(moves: &[Timed], from: usize, len: usize) -> Vec<Timed> {
    let end = (from + len).min(moves.len());
    [&moves[..from], &moves[end..]].concat()
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs the test; a panic is its answer, and prints nothing: it may be the hundredth of the same.
fn quietly(test: impl FnOnce() -> Outcome) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });

    let before = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(test));
    QUIET.set(before);
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(payload) => Err(said(&*payload)),
    }
}

/// The words of a panic.
fn said(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic").to_owned()
}

/// How much was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// Steps of the program.
    pub steps: usize,
    /// Different states that the machine can be in after one of them.
    pub states: usize,
    /// Moves and steps that lead from one to another.
    pub transitions: usize,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            steps,
            states,
            transitions,
        } = self;
        write!(
            f,
            "{steps} steps, {states} states, {transitions} transitions"
        )
    }
}

/// The history of a driver's test when the hardware does nothing by itself: the program that a search then explores.
pub(crate) fn recorded(
    config: &Config,
    driver: impl Fn(&SimMachine) -> Outcome,
) -> Result<History, Box<Failure>> {
    let machine = machine(config, &Adversary::Lazy);
    let outcome = quietly(|| driver(&machine));
    machine.verdict()?;
    assert_eq!(outcome, Ok(()), "the driver's test fails by itself");
    Ok(machine.history())
}
