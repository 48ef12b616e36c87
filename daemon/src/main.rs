//! `a2nd`: reads what it was told and runs the daemon.

use std::process::ExitCode;

use a2n_daemon::app;
use a2n_daemon::config::{self, Asked};

fn main() -> ExitCode {
    let asked = match config::read() {
        Ok(asked) => asked,
        Err(error) => {
            complain(&error.to_string());
            app::turn_away_waiting();
            return ExitCode::from(error.exit_code());
        }
    };
    match asked {
        Asked::Print(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Asked::Check(config) => {
            say(&config.summary());
            say("the configuration is right\n");
            ExitCode::SUCCESS
        }
        Asked::Run(config) => run(*config),
    }
}

fn run(config: config::Config) -> ExitCode {
    app::ignore_signals();
    match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("a2nd").build() {
        Ok(runtime) => {
            let code = runtime.block_on(app::run(config));
            // What still runs on a blocking thread is only reading; nobody waits for it any more.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            complain(&format!("no threads to run with: {error}"));
            ExitCode::from(75)
        }
    }
}

fn say(text: &str) {
    use std::io::Write;
    // Who reads may have seen enough and be gone: no reason to complain.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[expect(clippy::print_stderr, reason = "the log is not set up yet")]
fn complain(text: &str) {
    eprintln!("a2nd: {}", text.trim_end());
}
