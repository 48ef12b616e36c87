//! The sample workflow: applied, run, followed, and its result as a table.

use std::path::Path;

use a2n_client::{Exit, Session};
use a2n_proto::api::execution_node_state;
use a2n_proto::api::system::InfoAnswer;
use a2n_proto::api::workflow::{Apply, ApplyParams, Run, RunParams};
use a2n_proto::{ExecutionId, Json};
use serde_json::Value;

use super::super::apply::with_lines;
use super::super::ending::{self, Watch, status_text};
use super::super::failure::Failure;
use super::super::output::Style;
use super::super::{Context, ask_raw, documents, items};
use super::command::done;

/// The same file that `a2n apply -f examples/host-report.yaml` takes.
const DOCUMENT: &str = include_str!("../../../../examples/host-report.yaml");
/// Its node whose items are the result.
const RESULT_NODE: &str = "checks";

/// Applies and runs the sample; answers its execution's id and how it ended.
pub(super) async fn run(
    cx: &Context,
    session: &Session,
    info: &InfoAnswer,
) -> Result<(String, Exit), Failure> {
    apply(cx, session, info).await?;
    let params = RunParams { name: Some("host-report".into()), ..RunParams::default() };
    let id = session.call::<Run>(&params).await?.id;
    cx.out.note("")?;
    let exit = ending::watch(&cx.out, session, id, &Watch { follow: true, timeout: None }).await?;
    if cx.out.is_for_people() {
        show_result(cx, session, id, info).await?;
    }
    Ok((id.to_string(), exit))
}

async fn apply(cx: &Context, session: &Session, info: &InfoAnswer) -> Result<(), Failure> {
    let documents = documents::read_text("examples/host-report.yaml", DOCUMENT)?;
    let params = ApplyParams {
        documents: documents.iter().map(|document| here(&document.json, info)).collect(),
        prune: None,
        dry_run: None,
        draft: None,
        change_log: None,
        idempotency_key: None,
    };
    let applied =
        ask_raw::<Apply>(session, &params).await.map_err(|e| with_lines(e, &documents))?;
    for one in &applied.value.results {
        let what = status_text(one.action).to_lowercase();
        done(cx, &format!("examples/host-report.yaml applied: {what}, version {}", one.version))?;
    }
    Ok(())
}

/// The document with this daemon's socket and folder in its variables.
fn here(document: &Json, info: &InfoAnswer) -> Json {
    let mut document = document.to_value();
    if let Some(Value::Object(variables)) = document.pointer_mut("/variables/workflow") {
        variables.insert("health".into(), format!("unix:{}:/healthz", info.socket).into());
        variables.insert("report".into(), report(info).into());
    }
    Json::of(&document)
}

fn report(info: &InfoAnswer) -> String {
    Path::new(&info.data_dir).join("host-report.txt").display().to_string()
}

async fn show_result(
    cx: &Context,
    session: &Session,
    id: ExecutionId,
    info: &InfoAnswer,
) -> Result<(), Failure> {
    let one = execution_node_state::One {
        execution_id: Some(id),
        node_id: Some(RESULT_NODE.into()),
        ..Default::default()
    };
    // A run that failed before that node has no result; how it failed is told already.
    let Ok(state) = session.call::<execution_node_state::Get>(&one).await else { return Ok(()) };
    if let Some(Value::Array(rows)) = state.output_data.to_value().get("output") {
        cx.out.line(&format!("\n{}", cx.out.styled(Style::Bold, "This machine")))?;
        cx.out.write(&items::of_list(&cx.out, rows))?;
        cx.out.line(&format!("(the same as text: {})", report(info)))?;
    }
    Ok(())
}
