//! `a2n apply -f`: makes the workflows what the files say.

use std::path::PathBuf;

use a2n_client::{Error, Exit};
use a2n_proto::api::workflow::{Applied, Apply, ApplyAction, ApplyParams};
use a2n_proto::{Json, Problem};

use super::documents::{self, Document, Given};
use super::ending::status_text;
use super::failure::{Failure, problem_line};
use super::output::{Cell, Out, Style, Table};
use super::{Context, Outcome, ask_raw, examples};

/// Create or update workflows as the files say, and publish them
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n apply -f host-report.yaml"
    "a2n apply -f workflows/ --dry-run"
    "generate | a2n apply -f - --draft"
))]
pub(super) struct Args {
    /// YAML or JSON, several documents a file; a folder; - reads standard input
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE|DIR|-")]
    files: Vec<PathBuf>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Also remove what the files do not have (not in this version)
    #[arg(long)]
    prune: bool,
    /// Save drafts, publish nothing
    #[arg(long)]
    draft: bool,
    /// Kept with the versions, for people
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let given = documents::read_each(&self.files);
        if !given.faults.is_empty() {
            return Err(refused(cx, given).await);
        }
        let documents = given.documents;
        let session = cx.session().await?;
        let params = ApplyParams {
            documents: documents.iter().map(|document| document.json.clone()).collect(),
            prune: self.prune.then_some(true),
            dry_run: self.dry_run.then_some(true),
            draft: self.draft.then_some(true),
            change_log: self.message,
            idempotency_key: None,
        };
        let answer = ask_raw::<Apply>(&session, &params).await;
        let applied = answer.map_err(|error| with_lines(error, &documents))?;
        let results = &applied.value.results;
        for (applied, document) in results.iter().zip(&documents) {
            for warning in &applied.warnings {
                cx.out.aside(&located(warning, std::slice::from_ref(document)));
            }
        }
        let names = || results.iter().map(|applied| applied.name.clone()).collect();
        cx.out.show(&applied.json, names, |out| {
            let mut text = table(results).text(out, "Nothing to do.");
            if self.dry_run {
                text.push_str("(nothing was saved: --dry-run)\n");
            }
            text
        })?;
        Ok(Exit::Done)
    }
}

/// What is wrong with all of the files: the daemon looks at those that can be read, and saves none.
async fn refused(cx: &Context, given: Given) -> Failure {
    let mut more = Vec::new();
    // Who can't be asked has nothing to add.
    if !given.documents.is_empty()
        && let Ok(session) = cx.session().await
    {
        let params = ApplyParams {
            documents: given.documents.iter().map(|document| document.json.clone()).collect(),
            prune: None,
            dry_run: Some(true),
            draft: None,
            change_log: None,
            idempotency_key: None,
        };
        if let Err(Error::Refused(refused)) = ask_raw::<Apply>(&session, &params).await {
            let new = |one: &&Problem| !documents::is_told(&one.path, &one.code);
            let found = refused.problems.iter().filter(new);
            more = found.map(|one| located(one, &given.documents)).collect();
        }
    }
    let hint = "nothing was applied: what is wrong with one stops them all";
    let failure = given.faults.failure(more);
    if failure.hint.is_none() { failure.hint(hint) } else { failure }
}

fn table(results: &[Applied]) -> Table {
    let mut table = Table::new(&["NAME~", "WHAT", ">VERSION", ">PUBLISHED"]);
    for applied in results {
        let style = match applied.action {
            ApplyAction::Created => Style::Good,
            ApplyAction::Updated => Style::Busy,
            ApplyAction::Unchanged => Style::Dim,
            ApplyAction::Removed => Style::Bad,
        };
        table.row([
            applied.name.as_str().into(),
            Cell::styled(status_text(applied.action).to_lowercase(), style),
            applied.version.to_string().into(),
            Cell::or_dash(applied.published_version.map(|version| version.to_string())),
        ]);
    }
    table
}

/// A refusal with the file and line of each problem.
pub(super) fn with_lines(error: Error, documents: &[Document]) -> Failure {
    let details: Vec<String> = match &error {
        Error::Refused(refused) => {
            refused.problems.iter().map(|problem| located(problem, documents)).collect()
        }
        _ => Vec::new(),
    };
    let place = match &error {
        Error::Refused(refused) => {
            refused.path.as_deref().and_then(|path| place_of(path, documents))
        }
        _ => None,
    };
    let message = error.to_string();
    let mut failure = Failure::from(error);
    if !details.is_empty() {
        failure.exit = Exit::Invalid;
        failure.details = details;
    } else if let Some(place) = place {
        failure.message = Some(format!("{place}: {message}"));
    }
    failure
}

/// `file.yaml:12: nodes[1].type`, for what is told without a list of problems.
fn place_of(path: &str, documents: &[Document]) -> Option<String> {
    let (n, within) = match nth(path) {
        Some(found) => found,
        // A path may also be that of an option of the call.
        None if documents.len() == 1 && documents[0].has(path) => (0, path),
        None => return None,
    };
    let document = documents.get(n)?;
    let line = document.line_of(within).map(|line| format!(":{line}")).unwrap_or_default();
    Some(format!("{}{line}: {within}", document.file))
}

/// One problem with the file and line where it can be found. The path of a problem with several
/// documents begins with `documents[N].`.
pub(super) fn located(problem: &Problem, documents: &[Document]) -> String {
    let mut problem = problem.clone();
    let mut document = documents.first();
    if let Some((n, rest)) = nth(&problem.path) {
        document = documents.get(n).or(document);
        problem.path = rest.to_owned();
    }
    match document {
        Some(document) => problem_line(&document.file, document.line_of(&problem.path), &problem),
        None => problem_line("", None, &problem),
    }
}

fn nth(path: &str) -> Option<(usize, &str)> {
    let (n, rest) = path.strip_prefix("documents[")?.split_once(']')?;
    Some((n.parse().ok()?, rest.strip_prefix('.').unwrap_or(rest)))
}

/// The problems of one document as lines, with the worst of them.
pub(super) fn shown_problems(out: &Out, problems: &[Problem], document: &Document) -> String {
    let one = std::slice::from_ref(document);
    problems.iter().map(|problem| out.safe(&located(problem, one)) + "\n").collect()
}

/// The name that messages call a document by.
pub(super) fn called(document: &Document) -> String {
    document.name().unwrap_or_else(|| "the document".into())
}

/// The answers of several calls: alone as it came, several as one array.
pub(super) fn joined(mut answers: Vec<Json>) -> Json {
    if answers.len() == 1 { answers.remove(0) } else { Json::of(&answers) }
}

#[cfg(test)]
mod tests {
    use a2n_proto::{ErrorKind, RpcError, Severity};

    use super::*;

    #[test]
    fn a_problem_is_found_in_its_file() {
        let text = "name: a\nnodes:\n  - id: x\n    type: shel\n---\nname: b\nnodes: []\n";
        let documents = documents::read_text("w.yaml", text).unwrap();
        let problem = |path: &str| Problem {
            path: path.into(),
            code: "UNKNOWN_TYPE".into(),
            severity: Severity::Error,
            message: "there is no node definition `shel`".into(),
            hint: Some("did you mean `shell`?".into()),
        };
        insta::assert_snapshot!(located(&problem("nodes[0].type"), &documents), @"w.yaml:4: nodes[0].type: UNKNOWN_TYPE: there is no node definition `shel` (hint: did you mean `shell`?)");
        // What this version can't run is told without a list of problems.
        let path = "documents[1].name";
        let refused = RpcError::new(ErrorKind::Unsupported, "it is not built yet").at(path);
        let refused = Error::Refused(Box::new(refused));
        let failure = with_lines(refused, &documents);
        assert_eq!(failure.exit.code(), 1);
        assert_eq!(failure.text(), "a2n: w.yaml:6: name: it is not built yet\n");
        insta::assert_snapshot!(located(&problem("documents[1].name"), &documents), @"w.yaml:6: name: UNKNOWN_TYPE: there is no node definition `shel` (hint: did you mean `shell`?)");
    }
}
