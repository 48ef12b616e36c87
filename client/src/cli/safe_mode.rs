//! `a2n safe-mode`: whether the engine is paused after crashes, and the way out.

use a2n_client::Exit;
use a2n_proto::api::Nothing;
use a2n_proto::api::system::{Health, Info, LeaveSafeMode, LeaveSafeModeParams};
use clap::Subcommand;

use super::output::Style;
use super::{Context, Outcome, ask, examples};

/// Show whether the daemon is in safe mode, or leave it
///
/// After three crashes within five minutes, or with `a2nd --safe-mode`, the daemon
/// answers but starts and resumes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n safe-mode          whether it is on, and why"
    "a2n safe-mode off      take up what had not ended, and go on"
))]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Let the engine work again
    #[command(after_help = examples!("a2n safe-mode off"))]
    Off,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        if self.what.is_some() {
            let params = LeaveSafeModeParams::default();
            let left = ask::<LeaveSafeMode>(&session, &params).await?;
            let live = left.value.live;
            cx.out.show(&left.json, Vec::new, |_| match live {
                1 => "safe mode is off; one execution goes on\n".to_owned(),
                n => format!("safe mode is off; {n} executions go on\n"),
            })?;
            return Ok(Exit::Done);
        }
        let info = ask::<Info>(&session, &Nothing {}).await?;
        let is_on = info.value.safe_mode;
        let health = session.call::<Health>(&Nothing {}).await?;
        let told = health.checks.iter().find(|check| check.service_name == "queue");
        cx.out.show(&info.json, Vec::new, |out| match told.filter(|_| is_on) {
            Some(check) => {
                format!("{}: {}\n", out.styled(Style::Bad, "on"), out.safe(&check.message))
            }
            None => "off\n".to_owned(),
        })?;
        Ok(Exit::Done)
    }
}
