//! The command that measures.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::alloc_instead_of_core,
    reason = "a program for the host, where a panic stops a command that nothing else depends on"
)]
use bench::{roster, timing, workloads};
fn main() -> anyhow::Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let entries = roster::named(&names)?;
    let effort = workloads::Effort {
        rounds: 11,
        calls: 8192,
    };
    for w in workloads::TIMED {
        let script = w.script(workloads::PAGES, effort);
        let start = std::time::Instant::now();
        let out = timing::run(&entries, &script);
        for (e, o) in entries.iter().zip(&out) {
            if let Some(o) = o {
                println!(
                    "{:10} {:18} {:10.1} refused {:.4}",
                    w.name,
                    e.row.name,
                    o.spread().unwrap().median,
                    o.calls.refused_share()
                );
            } else {
                println!("{} {} none", w.name, e.row.name);
            }
        }
        println!("{:?}", start.elapsed());
    }
    Ok(())
}
