//! `just bench`: every figure that A2N promises, beside its physical limit in the same run.
//!
//! Measures the release binaries beside this one. Clients, the echo that the socket is compared
//! with, and the steps that print are processes of their own: this program again, in a role of
//! [`client`]. Names after `--` choose parts; with `UPDATE_DOCS=1` the table goes into
//! docs/performance.md.
#![expect(clippy::disallowed_methods, reason = "it measures")]
#![expect(clippy::print_stdout, reason = "it prints a table")]

mod client;
mod executions;
mod fairness;
mod figures;
mod fleet;
mod idle;
mod limits;
mod logs;
mod machine;
mod ping;
mod scale;
mod waiting;
mod wire;

use anyhow::{Result, bail};

use figures::Figures;

type Part = fn(&mut Figures) -> Result<()>;

const PARTS: [(&str, Part); 7] = [
    ("idle", idle::measure),
    ("ping", ping::measure),
    ("executions", executions::measure),
    ("logs", logs::measure),
    ("scale", scale::measure),
    ("waiting", waiting::measure),
    ("fairness", fairness::measure),
];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some((role, rest)) = args.split_first()
        && let Some(play) = client::role(role)
    {
        return play(rest);
    }
    if let Some(unknown) = args.iter().find(|arg| PARTS.iter().all(|(name, _)| name != arg)) {
        bail!("there is no part `{unknown}`; there are {:?}", PARTS.map(|(name, _)| name));
    }
    if cfg!(debug_assertions) {
        bail!("this build is not optimised; `just bench` has the command");
    }
    let mut figures = Figures::default();
    for (name, measure) in PARTS {
        if args.is_empty() || args.iter().any(|arg| arg == name) {
            println!("measuring {name} …");
            measure(&mut figures)?;
        }
    }
    let table = figures.table(&machine::describe());
    println!("\n{table}");
    if args.is_empty() && std::env::var_os("UPDATE_DOCS").is_some() {
        figures::keep(&table)?;
    }
    Ok(())
}
