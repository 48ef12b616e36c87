//! `a2n verify`: reads the whole store and says whether it is as it was written.

use a2n_client::Exit;
use a2n_proto::api::Nothing;
use a2n_proto::api::system::Verify;

use super::output::{Style, Table, took};
use super::{Context, Outcome, ask, examples};

/// Check the whole store: checksums, indexes, references, audit trail, logs
#[derive(Debug, clap::Args)]
#[command(after_help = examples!("a2n verify" "a2n verify -o json"))]
pub(super) struct Args {}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let answer = ask::<Verify>(&session, &Nothing {}).await?;
        let found = &answer.value;
        cx.out.show(&answer.json, Vec::new, |out| {
            let mut table = Table::new(&["PART~", ">ROWS"]);
            for part in &found.checked {
                table.row([part.part.as_str().into(), part.rows.to_string().into()]);
            }
            let mut text = table.text(out, "Nothing is stored yet.");
            for problem in &found.problems {
                let line = format!(
                    "{} {}: {}: {}",
                    problem.part, problem.key, problem.code, problem.message
                );
                text.push_str(&out.styled(Style::Bad, &out.safe(&line)));
                text.push('\n');
            }
            let verdict = if found.ok {
                out.styled(Style::Good, "all is as it was written")
            } else {
                out.styled(Style::Bad, &format!("{} problems", found.problems.len()))
            };
            text.push_str(&format!("{verdict} (read in {})\n", took(found.took)));
            text
        })?;
        Ok(if found.ok { Exit::Done } else { Exit::Failed })
    }
}
