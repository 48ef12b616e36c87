//! `a2n cancel EXEC`: stops executions.

use a2n_client::Exit;
use a2n_proto::ExecutionId;
use a2n_proto::api::execution::{Cancel, CancelParams};

use super::ending;
use super::{Context, Outcome, ask, examples};

/// Stop executions: TERM, a grace time, then KILL to everything their steps started
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n cancel 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"
    "a2n cancel $(a2n ps -o name) --reason 'wrong host'"
))]
pub(super) struct Args {
    /// The executions' ids (`a2n ps`)
    #[arg(required = true, value_name = "EXEC")]
    executions: Vec<ExecutionId>,
    /// Kept with the execution, for people
    #[arg(long)]
    reason: Option<String>,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        for id in self.executions {
            let params = CancelParams {
                id,
                reason: self.reason.clone(),
                if_revision: None,
                idempotency_key: None,
            };
            let cancelled = ask::<Cancel>(&session, &params).await?;
            cx.out.show(
                &cancelled.json,
                || vec![id.to_string()],
                |out| {
                    if cancelled.value.status.is_ended() {
                        ending::line(out, &cancelled.value)
                    } else {
                        format!("{id} is being cancelled\n")
                    }
                },
            )?;
        }
        Ok(Exit::Done)
    }
}
