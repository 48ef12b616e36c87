//! `a2n diff`: what is other between two versions, or between a workflow and a file.

use std::path::PathBuf;

use a2n_client::{Exit, Session};
use a2n_proto::Json;
use a2n_proto::api::workflow::{Diff, DiffAnswer, DiffParams, DifferenceKind};

use super::apply::{called, joined};
use super::documents;
use super::ending::{is_not_found, status_text};
use super::failure::Failure;
use super::output::{Out, Style, cut};
use super::{Context, Outcome, ask, examples, which};

/// Compare versions of a workflow, or a file with the newest version
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n diff host-report               the published version with the newest draft"
    "a2n diff host-report --from 1 --to 3"
    "a2n diff -f host-report.yaml       what `a2n apply` would change"
))]
pub(super) struct Args {
    /// The workflow's name or id
    #[arg(value_name = "NAME", required_unless_present = "files")]
    workflow: Option<String>,
    /// The earlier version; the published one where not said
    #[arg(long, value_name = "N")]
    from: Option<u32>,
    /// The later version; the newest where not said
    #[arg(long, value_name = "N", conflicts_with = "files")]
    to: Option<u32>,
    /// Documents to compare with instead
    #[arg(short = 'f', long = "file", value_name = "FILE|DIR|-")]
    files: Vec<PathBuf>,
    /// Exit 1 where something differs
    #[arg(long)]
    exit_code: bool,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let (mut answers, mut text, mut same) = (Vec::new(), String::new(), true);
        for params in self.all(cx, &session).await? {
            let Some(params) = params else {
                same = false;
                continue;
            };
            let diff = ask::<Diff>(&session, &params).await?;
            same &= diff.value.same;
            text.push_str(&shown(&cx.out, &diff.value));
            answers.push(diff.json);
        }
        cx.out.show(&joined(answers), Vec::new, |_| text)?;
        Ok(if self.exit_code && !same { Exit::Failed } else { Exit::Done })
    }

    /// What to compare; `None` for a document whose workflow is not there yet.
    async fn all(
        &self,
        cx: &Context,
        session: &Session,
    ) -> Result<Vec<Option<DiffParams>>, Failure> {
        let mut all = Vec::new();
        if self.files.is_empty() {
            let (id, name) = which::workflow(self.workflow.as_deref().unwrap_or_default());
            all.push(Some(DiffParams { id, name, from: self.from, to: self.to, definition: None }));
            return Ok(all);
        }
        for document in documents::read_all(&self.files)? {
            let word = self.workflow.clone().unwrap_or_else(|| called(&document));
            let (id, name) = which::workflow(&word);
            let one = a2n_proto::api::workflow::One { id, name: name.clone() };
            let there = session.call::<a2n_proto::api::workflow::Get>(&one).await;
            match there {
                Ok(workflow) => all.push(Some(DiffParams {
                    id: Some(workflow.id),
                    name: None,
                    from: Some(self.from.unwrap_or(workflow.version)),
                    to: None,
                    definition: Some(document.json),
                })),
                Err(error) if is_not_found(&error) => {
                    cx.out.note(&format!("{} would be new", cx.out.safe(&word)))?;
                    all.push(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }
}

fn shown(out: &Out, diff: &DiffAnswer) -> String {
    if diff.same {
        return "Nothing differs.\n".into();
    }
    let mut text = String::new();
    for change in &diff.changes {
        let part = status_text(change.part).to_lowercase();
        let place = if change.path.is_empty() { &change.id } else { &change.path };
        let (mark, style) = match change.change {
            DifferenceKind::Added => ("+", Style::Good),
            DifferenceKind::Removed => ("-", Style::Bad),
            DifferenceKind::Changed => ("~", Style::Busy),
        };
        let line = format!("{mark} {part} {}: {}", change.id, place);
        text.push_str(&out.styled(style, &out.safe(&line)));
        text.push('\n');
        for (sign, value) in [("-", &change.old), ("+", &change.new)] {
            if !value.is_null() {
                text.push_str(&format!("    {sign} {}\n", value_line(out, value)));
            }
        }
    }
    text
}

fn value_line(out: &Out, value: &Json) -> String {
    let room = out.width().map_or(usize::MAX, |width| width.saturating_sub(6));
    cut(&out.safe(value.as_str()), room)
}
