//! What a word on the command line means: an id, or a name.

use a2n_client::Session;
use a2n_proto::api::{Match, execution, workflow, workflow_trigger};
use a2n_proto::workflow::{Workflow, WorkflowTrigger};
use a2n_proto::{ExecutionId, WorkflowId};

use super::failure::Failure;
use super::rows;

/// The members `id` and `name` of a call about a workflow; exactly one of them is there.
pub(super) fn workflow(word: &str) -> (Option<WorkflowId>, Option<String>) {
    match word.parse() {
        Ok(id) => (Some(id), None),
        Err(_) => (None, Some(word.to_owned())),
    }
}

/// The workflow that the word means.
pub(super) async fn find_workflow(session: &Session, word: &str) -> Result<Workflow, Failure> {
    let (id, name) = workflow(word);
    Ok(session.call::<workflow::Get>(&workflow::One { id, name }).await?)
}

/// The id of the workflow that the word means; asks only where it is a name.
pub(super) async fn workflow_id(session: &Session, word: &str) -> Result<WorkflowId, Failure> {
    match word.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(find_workflow(session, word).await?.id),
    }
}

/// The execution that the word means: its id, or a workflow's name for the newest one of it.
pub(super) async fn execution(session: &Session, word: &str) -> Result<ExecutionId, Failure> {
    if let Ok(id) = word.parse() {
        return Ok(id);
    }
    let filter = execution::Filter {
        workflow_id: Some(Match::Is(workflow_id(session, word).await?)),
        ..Default::default()
    };
    let newest = rows::list::<execution::List, _, _>(session, filter, 1).await?;
    newest.items.first().map(|execution| execution.id).ok_or_else(|| {
        Failure::not_found(format!("the workflow `{word}` has no executions"))
            .hint(format!("`a2n run {word}` starts one"))
    })
}

/// The version of an execution's workflow that is published now.
pub(super) async fn published_version(session: &Session, id: ExecutionId) -> Result<u32, Failure> {
    let execution = session.call::<execution::Get>(&execution::One { id }).await?;
    let one = workflow::One { id: Some(execution.workflow_id), name: None };
    let workflow = session.call::<workflow::Get>(&one).await?;
    workflow.published_version.ok_or_else(|| {
        Failure::failed(format!("the workflow `{}` is not published", workflow.name))
            .hint(format!("`a2n publish {}`, or name a version", workflow.name))
    })
}

/// The trigger that the word means: its id, or `WORKFLOW/TRIGGER`.
pub(super) async fn trigger(session: &Session, word: &str) -> Result<WorkflowTrigger, Failure> {
    if let Ok(id) = word.parse() {
        return Ok(session.call::<workflow_trigger::Get>(&workflow_trigger::One { id }).await?);
    }
    let Some((workflow, name)) = word.rsplit_once('/') else {
        return Err(Failure::usage(format!("`{word}` is not a trigger"))
            .hint("write WORKFLOW/TRIGGER or the trigger's id (`a2n trigger ls`)"));
    };
    let filter = workflow_trigger::Filter {
        workflow_id: Some(Match::Is(workflow_id(session, workflow).await?)),
        name: Some(Match::Is(name.to_owned())),
        ..Default::default()
    };
    let found = rows::list::<workflow_trigger::List, _, _>(session, filter, 1).await?;
    found.items.into_iter().next().ok_or_else(|| {
        Failure::not_found(format!("the workflow `{workflow}` has no trigger `{name}`"))
            .hint(format!("`a2n trigger ls {workflow}` lists them"))
    })
}
