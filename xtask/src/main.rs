//! The workspace's commands, and the only place that knows targets, toolchains and emulators.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::alloc_instead_of_core,
    reason = "a program for the host, where a panic stops a command that nothing else depends on"
)]

mod workspace;

mod target;

mod machine;

mod group;

mod process;

mod packages;

mod beside;

mod program;

mod toolchain;

mod host;

mod race;

mod setup;

mod cross;

mod source;

mod layering;

mod assembly;

mod golden;

mod guest;

mod pattern;

mod disk;

mod qemu;

mod table;

mod judge;

mod demo;

mod seeds;

mod devices;

mod passage;

mod mutant;

mod replica;

mod killing;

mod mutants;

mod survivors;

mod trace;

mod bench;

mod steps;

mod fuzz;

mod suite;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::machine::Machine;
use crate::mutants::{Selection, Shard};
use crate::target::Target;

/// Builds, checks and runs the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every check there is; the last line is `N passed, N failed`.
    Test,
    /// Boots every machine with a disk, and compares what it read and wrote with what the host reads and expects.
    ///
    /// Machines with a monitor get caches that are apart from what devices see.
    Demo {
        /// One machine, or `all`.
        #[arg(long, default_value = "all", value_parser = parse_machines)]
        machine: Machines,
        /// The disk to read, never written; by default 20 MiB of this workspace's own build.
        #[arg(long, value_name = "FILE")]
        disk: Option<PathBuf>,
        /// What the choices of the emulated caches begin with.
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        seed: u32,
        /// No emulated caches: devices see every store at once, as emulators have it.
        #[arg(long, conflicts_with = "seed")]
        coherent: bool,
    },
    /// Boots machines whose devices do not see what the caches hold, many times, and with steps of a transfer left out.
    Seeds {
        /// One machine that has a monitor, or `all`.
        #[arg(long, default_value = "all", value_parser = parse_machines)]
        machine: Machines,
    },
    /// Boots machines with disk requests in pieces of every length, and with a device that does not reach all memory.
    Devices {
        /// One machine, or `all`.
        #[arg(long, default_value = "all", value_parser = parse_machines)]
        machine: Machines,
    },
    /// Runs the thread tests of the pools under a tool that reports races, which must be seen to report one.
    Race,
    /// Feeds a fuzzer's inputs to pools and to their model, which must agree.
    Fuzz {
        /// One target; by default each in turn.
        target: Option<String>,
        /// How long each runs.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1440))]
        minutes: u32,
    },
    /// Builds the images only.
    Image {
        /// One machine, or `all`.
        #[arg(long, default_value = "all", value_parser = parse_machines)]
        machine: Machines,
    },
    /// Compares the machine code of the hand-over functions with what is checked in.
    Golden {
        /// Writes what the compiler emits now in place of what is checked in.
        #[arg(long)]
        bless: bool,
        /// Only this target.
        #[arg(long, value_parser = parse_target)]
        target: Option<&'static Target>,
    },
    /// Changes one line of a library at a time, and runs the test that must notice; the last line is
    /// `N killed, M survived`.
    Mutants {
        /// Only files whose path begins so.
        #[arg(long, value_name = "PREFIX")]
        file: Option<String>,
        /// Only this entry.
        #[arg(long, conflicts_with = "cargo_mutants")]
        id: Option<String>,
        /// Only this part of the entries.
        #[arg(long, value_name = "K/N", conflicts_with = "cargo_mutants")]
        shard: Option<Shard>,
        /// The mutants that the tool of that name thinks of, instead of those that are listed.
        #[arg(long)]
        cargo_mutants: bool,
    },
    /// Measures the pools beside their peers; `bench pools --help` says more.
    Bench {
        /// What the measuring program is told.
        #[arg(
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "WHAT"
        )]
        arguments: Vec<OsString>,
    },
    /// Draws what happens on the simulated machine to a driver that is wrong in one way, and says where the page is.
    Trace {
        /// Which driver.
        #[arg(required_unless_present_any = ["list", "bless"])]
        name: Option<String>,
        /// Where to write the page; by default below the target directory.
        #[arg(long, value_name = "FILE", requires = "name")]
        out: Option<PathBuf>,
        /// Says which drivers there are.
        #[arg(long, conflicts_with_all = ["name", "bless"])]
        list: bool,
        /// Writes the picture that is in the documentation anew.
        #[arg(long, conflicts_with = "name")]
        bless: bool,
    },
}

/// The machines an argument names; a type of its own, since to `clap` a list would be a repeated argument.
#[derive(Clone, Debug)]
struct Machines(Vec<&'static Machine>);

fn parse_machines(name: &str) -> Result<Machines, String> {
    machine::named(name)
        .map(Machines)
        .ok_or_else(|| format!("the machines are: all, {}", machine::names()))
}

fn parse_target(triple: &str) -> Result<&'static Target, String> {
    target::named(triple).ok_or_else(|| format!("the targets are: {}", target::triples()))
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test => suite::run(),
        Command::Demo {
            machine,
            disk,
            seed,
            coherent,
        } => {
            let choice = if coherent {
                demo::Choice::Coherent
            } else {
                demo::Choice::Seed(seed.into())
            };
            demo::run(&machine.0, disk.as_deref(), choice)
        }
        Command::Seeds { machine } => suite::seeds_only(&machine.0),
        Command::Devices { machine } => suite::devices_only(&machine.0),
        Command::Race => suite::races_only(),
        Command::Fuzz { target, minutes } => fuzz::run_targets(minutes, target.as_deref()),
        Command::Image { machine } => demo::build_only(&machine.0),
        Command::Golden { bless, target } => golden::run(bless, target),
        Command::Mutants {
            file,
            cargo_mutants: true,
            ..
        } => survivors::run(file.as_deref()),
        Command::Mutants {
            file, id, shard, ..
        } => mutants::run(&Selection { file, id, shard }),
        Command::Bench { arguments } => bench::run(&arguments),
        Command::Trace { bless: true, .. } => trace::bless(),
        Command::Trace {
            name: Some(name),
            out,
            ..
        } => trace::draw(&name, out.as_deref()),
        Command::Trace { .. } => trace::list(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
