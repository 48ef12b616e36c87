//! `a2n test FILE NODE`: one node of a document, carried out for real; no execution is kept.

use std::path::{Path, PathBuf};

use a2n_client::{Exit, Session};
use a2n_proto::Json;
use a2n_proto::api::workflow::{self, TestNode, TestNodeAnswer, TestNodeParams};
use a2n_proto::execution::{LogStream, NodeStatus};

use super::documents;
use super::ending::status_text;
use super::failure::Failure;
use super::inputs::{self, Input};
use super::output::{Out, Style, status_style, took};
use super::{Context, Outcome, ask, examples, items, which};

/// Try one node of a document: it works for real, and no execution is kept
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n test host-report.yaml disk"
    "a2n test host-report.yaml full --items '[{\"Use%\": \"95%\"}]'"
    "a2n test host-report disk -o json      the newest version of a saved workflow"
))]
pub(super) struct Args {
    /// A file with one document, or a saved workflow's name or id
    #[arg(value_name = "FILE|NAME")]
    document: String,
    /// The node's id
    #[arg(value_name = "NODE")]
    node: String,
    /// What comes in, as a JSON list of items; else what the nodes before it are
    /// pinned to send or compute
    #[arg(long, value_name = "JSON", value_parser = json)]
    items: Option<Json>,
    /// An input of the run, for expressions and start nodes: name=text, or name:=json
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<Input>,
    /// Inputs of the run as a JSON or YAML object; - reads standard input
    #[arg(long = "inputs", value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn json(text: &str) -> Result<Json, String> {
    Json::parse(text).map_err(|fault| fault.to_string())
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let run_inputs = inputs::collect(self.file.as_deref(), &self.inputs)?;
        let given = one_document(Path::new(&self.document))?;
        let session = cx.session().await?;
        let definition = match given {
            Some(definition) => definition,
            None => saved(&session, &self.document).await?,
        };
        let params = TestNodeParams {
            definition,
            node_id: self.node,
            inputs: self.items,
            run_inputs: (!run_inputs.is_null()).then_some(run_inputs),
            idempotency_key: None,
        };
        show(cx, &session, &params).await
    }
}

/// The document of a file; none where there is no such file.
fn one_document(path: &Path) -> Result<Option<Json>, Failure> {
    if !path.exists() && path != Path::new("-") {
        return Ok(None);
    }
    let mut documents = documents::read_all(&[path.to_owned()])?;
    match (documents.pop(), documents.is_empty()) {
        (Some(one), true) => Ok(Some(one.json)),
        _ => Err(Failure::usage(format!("{} has several documents", path.display()))
            .hint("name a file with one, or save it and name the workflow")),
    }
}

async fn saved(session: &Session, word: &str) -> Result<Json, Failure> {
    let (id, name) = which::workflow(word);
    let found = session.call::<workflow::Get>(&workflow::One { id, name }).await?;
    Ok(found.definition)
}

/// Carries the node out and shows what came of it.
pub(super) async fn show(cx: &Context, session: &Session, params: &TestNodeParams) -> Outcome {
    let tried = ask::<TestNode>(session, params).await?;
    let answer = &tried.value;
    cx.out.show(&tried.json, || vec![answer.node_id.clone()], |out| text(out, answer))?;
    let fine = answer.status == NodeStatus::Success;
    Ok(if fine { Exit::Done } else { Exit::Failed })
}

fn text(out: &Out, answer: &TestNodeAnswer) -> String {
    let mut text = String::new();
    for line in &answer.lines {
        let message = out.safe(&line.message);
        match line.stream {
            Some(LogStream::Stderr) => {
                text.push_str(&format!("{}\n", out.styled(Style::Wary, &message)));
            }
            _ => text.push_str(&format!("{message}\n")),
        }
    }
    if answer.lines_left_out > 0 {
        text.push_str(&format!("({} lines more)\n", answer.lines_left_out));
    }
    for unit in answer.units.iter().filter(|unit| unit.error.is_some()) {
        let item = unit.item.map(|item| format!("item {item}: ")).unwrap_or_default();
        let error = out.safe(unit.error.as_deref().unwrap_or_default());
        text.push_str(&format!("{}\n", out.styled(Style::Bad, &format!("{item}{error}"))));
    }
    text.push_str(&items::of_node(out, &answer.node_id, &answer.output.to_value()));
    for note in &answer.notes {
        text.push_str(&format!("note: {}\n", out.safe(note)));
    }
    let status = status_text(answer.status);
    text.push_str(&format!(
        "{} {} in {}; no execution is kept\n",
        out.safe(&answer.node_id),
        out.styled(status_style(&status), &status),
        took(answer.duration),
    ));
    text
}
