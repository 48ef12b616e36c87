//! `a2n export NAME`: a workflow as the document that `a2n apply` takes.

use a2n_client::Exit;
use a2n_client::SafeText;
use a2n_proto::api::workflow::{Export, ExportParams, Format};

use super::{Context, Outcome, ask, examples, which};

/// Write a workflow as a document
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n export host-report > host-report.yaml"
    "a2n export host-report --format json --version 2"
))]
pub(super) struct Args {
    /// The workflow's name or id
    #[arg(value_name = "NAME")]
    workflow: String,
    /// yaml or json
    #[arg(long, value_name = "FORMAT", default_value = "yaml", value_parser = format)]
    format: Format,
    /// Which version; the newest where not said
    #[arg(long, value_name = "N")]
    version: Option<u32>,
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "yaml" => Ok(Format::Yaml),
        "json" => Ok(Format::Json),
        _ => Err("write yaml or json".into()),
    }
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let (id, name) = which::workflow(&self.workflow);
        let params = ExportParams { id, name, format: Some(self.format), version: self.version };
        let export = ask::<Export>(&session, &params).await?;
        cx.out.show(
            &export.json,
            || vec![self.workflow.clone()],
            |out| {
                let mut text = export.value.text.clone();
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                if out.terminal { SafeText::lines(&text).into_string() } else { text }
            },
        )?;
        Ok(Exit::Done)
    }
}
