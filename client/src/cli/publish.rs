//! `a2n publish`, `a2n unpublish` and `a2n rollback`: which version triggers run.

use a2n_client::Exit;
use a2n_proto::api::workflow::{
    ChangeOne, Publish, PublishParams, Rollback, RollbackParams, Unpublish,
};
use a2n_proto::workflow::Workflow;

use super::{Answered, Context, Outcome, ask, examples, which};

/// Make a version the one that triggers run, and apply its triggers
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n publish host-report"
    "a2n publish host-report --version 2"
))]
pub(super) struct Args {
    /// The workflow's name or id
    #[arg(value_name = "NAME")]
    workflow: String,
    /// Which version; the newest where not said
    #[arg(long, value_name = "N")]
    version: Option<u32>,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let (id, name) = which::workflow(&self.workflow);
        let params = PublishParams { id, name, version: self.version, ..Default::default() };
        shown(cx, &ask::<Publish>(&session, &params).await?)
    }
}

/// Leave a workflow without a published version; its triggers stop
#[derive(Debug, clap::Args)]
#[command(after_help = examples!("a2n unpublish host-report" "a2n unpublish host-report -o json"))]
pub(super) struct UnpublishArgs {
    /// The workflow's name or id
    #[arg(value_name = "NAME")]
    workflow: String,
}

impl UnpublishArgs {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let (id, name) = which::workflow(&self.workflow);
        let params = ChangeOne { id, name, ..Default::default() };
        shown(cx, &ask::<Unpublish>(&session, &params).await?)
    }
}

/// Make an earlier version's document the newest one again, as a new version
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n rollback host-report 2"
    "a2n rollback host-report 2 --publish"
))]
pub(super) struct RollbackArgs {
    /// The workflow's name or id
    #[arg(value_name = "NAME")]
    workflow: String,
    /// The version to go back to (`a2n versions`)
    version: u32,
    /// Also publish it
    #[arg(long)]
    publish: bool,
}

impl RollbackArgs {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let (id, name) = which::workflow(&self.workflow);
        let params = RollbackParams {
            id,
            name,
            version: self.version,
            publish: self.publish.then_some(true),
            if_revision: None,
            idempotency_key: None,
        };
        shown(cx, &ask::<Rollback>(&session, &params).await?)
    }
}

fn shown(cx: &Context, changed: &Answered<Workflow>) -> Outcome {
    let workflow = &changed.value;
    cx.out.show(
        &changed.json,
        || vec![workflow.name.clone()],
        |out| {
            let name = out.safe(&workflow.name);
            match workflow.published_version {
                Some(published) if published == workflow.version => {
                    format!("{name}: version {published} is published\n")
                }
                Some(published) => {
                    format!(
                        "{name}: version {published} is published, {} is a draft\n",
                        workflow.version
                    )
                }
                None => format!("{name}: nothing is published, {} is a draft\n", workflow.version),
            }
        },
    )?;
    Ok(Exit::Done)
}
