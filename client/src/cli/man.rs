//! `a2n man FOLDER`: the manual pages, for whoever packages us.

use std::path::{Path, PathBuf};

use a2n_client::Exit;
use clap::CommandFactory as _;

use super::failure::Failure;
use super::{Cli, Context, Outcome, examples};

/// Write the manual pages into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n man /usr/local/share/man/man1"
    "a2n man . && man ./a2n.1"
))]
pub(super) struct Args {
    /// The folder; it has to be there
    folder: PathBuf,
}

impl Args {
    pub(super) fn run(self, cx: &Context) -> Outcome {
        let mut command = Cli::command();
        command.build();
        let n = write_pages(&command, "a2n", &self.folder)?;
        cx.out.note(&format!("{n} pages written to {}", self.folder.display()))?;
        Ok(Exit::Done)
    }
}

fn write_pages(command: &clap::Command, name: &str, folder: &Path) -> Result<usize, Failure> {
    let path = folder.join(format!("{name}.1"));
    let mut page = Vec::new();
    let failed =
        |error: std::io::Error| Failure::failed(format!("can't write {}: {error}", path.display()));
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(failed)?;
    std::fs::write(&path, page).map_err(failed)?;
    let mut n = 1;
    for below in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        n += write_pages(below, &format!("{name}-{}", below.get_name()), folder)?;
    }
    Ok(n)
}
