//! `a2n completions SHELL`: the text that teaches a shell our commands.

use a2n_client::Exit;
use clap::CommandFactory as _;

use super::{Cli, Context, Outcome, examples};

/// Print what teaches a shell to complete our commands
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n completions bash > ~/.local/share/bash-completion/completions/a2n"
    "a2n completions zsh > ~/.zfunc/_a2n"
    "a2n completions fish > ~/.config/fish/completions/a2n.fish"
))]
pub(super) struct Args {
    /// Which shell
    shell: clap_complete::Shell,
}

impl Args {
    pub(super) fn run(self, cx: &Context) -> Outcome {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "a2n", &mut text);
        cx.out.write(&String::from_utf8_lossy(&text))?;
        Ok(Exit::Done)
    }
}
