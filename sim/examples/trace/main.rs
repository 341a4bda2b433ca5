//! Pictures of what happens to drivers that are wrong in one way each.
//!
//! `cargo run -p sim --example trace` says which there are; with `-- NAME FILE` it writes a page about one, or the picture
//! alone if the file's name ends in `.svg`.

mod scenarios;

use core::error::Error;
use std::{env, fs, path::PathBuf, process::ExitCode};

use scenarios::SCENARIOS;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            list();
            ExitCode::SUCCESS
        }
        [name, file] => match draw(&name.to_string_lossy(), &PathBuf::from(file)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("usage: trace [NAME FILE]");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    for scenario in &SCENARIOS {
        println!("{:20}{}", scenario.name, scenario.about);
    }
}

fn draw(name: &str, file: &PathBuf) -> Result<(), Box<dyn Error>> {
    let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
    let names = || SCENARIOS.map(|scenario| scenario.name).join(", ");
    let scenario = found.ok_or_else(|| format!("there is no {name}; there are {}", names()))?;
    let is_svg = file.extension().is_some_and(|extension| extension == "svg");
    let text = match (scenario.run(), is_svg) {
        (Ok(history), true) => history.svg(),
        (Ok(history), false) => history.picture(),
        (Err(failure), true) => failure.svg(),
        (Err(failure), false) => failure.picture(),
    };
    fs::write(file, text)?;
    Ok(())
}
