//! `a2n health`: how the daemon is, check by check.

use a2n_client::Exit;
use a2n_proto::api::Nothing;
use a2n_proto::api::system::Health;
use a2n_proto::system::HealthStatus;

use super::ending::status_text;
use super::output::{Cell, Table, took};
use super::{Context, Outcome, ask, examples};

/// Show how the daemon is; exit 1 where something does not work
#[derive(Debug, clap::Args)]
#[command(after_help = examples!("a2n health" "a2n health -o json"))]
pub(super) struct Args {}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let health = ask::<Health>(&session, &Nothing {}).await?;
        let checks = &health.value.checks;
        let names = || checks.iter().map(|check| check.service_name.clone()).collect();
        cx.out.show(&health.json, names, |out| {
            let mut table = Table::new(&["CHECK", "STATUS", "SEEN", ">TOOK", "MESSAGE~"]);
            for check in checks {
                table.row([
                    check.service_name.as_str().into(),
                    Cell::status(status_text(check.status)),
                    out.distance(check.last_check_at).into(),
                    Cell::or_dash(check.response_time.map(took)),
                    check.message.as_str().into(),
                ]);
            }
            table.text(out, "No checks.")
        })?;
        let broken = health.value.status == HealthStatus::Unhealthy;
        Ok(if broken { Exit::Failed } else { Exit::Done })
    }
}
