//! `a2n validate -f`: everything that is wrong with documents, without saving them.

use std::path::PathBuf;

use a2n_client::Exit;
use a2n_proto::Severity;
use a2n_proto::api::workflow::{Validate, ValidateParams};

use super::apply::{called, joined, shown_problems};
use super::documents::{self, Given};
use super::failure::Failure;
use super::output::{Format, Style};
use super::{Context, Outcome, ask, examples};

/// Check documents without saving them; exit 6 where one can't be saved
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n validate -f host-report.yaml"
    "a2n validate -f workflows/ -o json"
))]
pub(super) struct Args {
    /// YAML or JSON, several documents a file; a folder; - reads standard input
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE|DIR|-")]
    files: Vec<PathBuf>,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let Given { documents, faults } = documents::read_each(&self.files);
        if documents.is_empty() {
            return Err(faults.into());
        }
        let session = match cx.session().await {
            Err(_) if !faults.is_empty() => return Err(faults.into()),
            session => session?,
        };
        let (mut answers, mut text, mut names) = (Vec::new(), String::new(), Vec::new());
        let mut exit = Exit::Done;
        for document in &documents {
            let params = ValidateParams { definition: document.json.clone() };
            let checked = ask::<Validate>(&session, &params).await?;
            let problems = &checked.value.problems;
            text.push_str(&shown_problems(&cx.out, problems, document));
            if problems.iter().any(|problem| problem.severity == Severity::Error) {
                exit = Exit::Invalid;
            } else {
                let name = cx.out.safe(&called(document));
                let fine = cx.out.styled(Style::Good, "valid");
                text.push_str(&format!("{}: {name} is {fine}\n", cx.out.safe(&document.file)));
                names.push(called(document));
            }
            answers.push(checked.json);
        }
        if cx.out.format == Format::Name {
            cx.out.show(&joined(answers), || names, |_| String::new())?;
        } else {
            cx.out.show(&joined(answers), Vec::new, |_| text)?;
        }
        if faults.is_empty() {
            return Ok(exit);
        }
        let mut failure = Failure::from(faults);
        if exit != Exit::Done {
            failure.exit = exit;
        }
        Err(failure)
    }
}
