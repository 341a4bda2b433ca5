//! The command that measures.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process;
use std::time::Instant;

use anyhow::{Context, Result};
use bench::figures::Figures;
use bench::objects::run::{self, Effort};
use bench::pools::{self, Plan, Scope};
use bench::{instructions, roster, workloads};
use clap::{Args, Parser, Subcommand};

/// Compares the pools of this workspace with those of others.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Pools of pages.
    Pools {
        #[command(flatten)]
        choice: Choice,
        /// Few rounds of the most telling workloads, and nothing is written.
        #[arg(long)]
        quick: bool,
        /// Nothing is run under callgrind.
        #[arg(long)]
        no_instructions: bool,
        /// The folder of the files that are written.
        #[arg(long, value_name = "FOLDER", default_value = "bench/results")]
        out: PathBuf,
    },
    /// Small objects.
    Objects {
        /// Only allocators whose names begin so, with commas between them.
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        only: Vec<String>,
        /// Few rounds, and nothing is written.
        #[arg(long)]
        quick: bool,
        /// The folder of the files that are written.
        #[arg(long, value_name = "FOLDER", default_value = "bench/results")]
        out: PathBuf,
    },
    /// One pool's calls, for callgrind to count.
    #[command(hide = true, name = instructions::COUNTED)]
    Counted {
        #[command(flatten)]
        choice: Choice,
    },
}

#[derive(Args)]
struct Choice {
    /// Only pools whose names begin so, with commas between them.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Only workloads whose names begin so, with commas between them.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    workload: Vec<String>,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Pools {
            choice,
            quick,
            no_instructions,
            out,
        } => {
            let started = Instant::now();
            let scope = if quick { Scope::Quick } else { Scope::Full };
            let plan = Plan::new(roster::named(&choice.only)?, scope, &choice.workload)?;
            let mut figures = Figures::default();
            plan.run(&mut figures)?;
            if !no_instructions {
                // Of this process alone: others may measure at the same time.
                let folder = env::temp_dir().join(format!("bench-{}", process::id()));
                fs::create_dir_all(&folder)?;
                let counted = plan.count(&folder, &mut figures);
                fs::remove_dir_all(&folder)?;
                counted?;
            }
            print!("{}", figures.tables());
            let whole = choice.only.is_empty() && choice.workload.is_empty();
            if whole && !quick && !no_instructions {
                let rows: Vec<_> = roster::all().iter().map(|entry| entry.row).collect();
                pools::write(&figures, &rows, &out)?;
            }
            println!("\n{:.0} s", started.elapsed().as_secs_f64());
            Ok(())
        }
        Command::Objects { only, quick, out } => {
            let effort = if quick {
                Effort {
                    rounds: 5,
                    batches: 64,
                }
            } else {
                Effort {
                    rounds: 25,
                    batches: 256,
                }
            };
            let figures = run::run(&only, effort)?;
            print!("{}", figures.tables());
            if only.is_empty() && !quick {
                run::write(&figures, &out)?;
            }
            Ok(())
        }
        Command::Counted { choice } => {
            let entries = roster::named(&choice.only)?;
            let entry = entries.first().context("nobody to count")?;
            instructions::counted(entry, &workloads::named(&choice.workload)?)
        }
    }
}
