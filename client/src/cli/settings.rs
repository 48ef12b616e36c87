//! `a2n settings`: every tunable of the daemon.

use a2n_client::Exit;
use a2n_proto::Json;
use a2n_proto::api::app_setting::{Filter, Get, List, One, Reset, ResetParams, Set, SetParams};
use a2n_proto::system::{AppSetting, SettingType};
use clap::Subcommand;

use super::ending::status_text;
use super::failure::Failure;
use super::output::{Cell, Out, Style, Table};
use super::rows;
use super::{Answered, Context, Outcome, ask, examples};

/// Show and change the daemon's settings
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n settings"
    "a2n settings ls retention"
    "a2n settings set engine.parallelSteps 8"
    "a2n settings reset engine.parallelSteps"
))]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List settings, with where each value comes from
    #[command(after_help = examples!("a2n settings ls" "a2n settings ls rpc -o wide"))]
    Ls {
        /// With these words in key or description
        text: Option<String>,
    },
    /// Show one setting
    #[command(after_help = examples!("a2n settings get retention.successDays"))]
    Get {
        /// Its key
        key: String,
    },
    /// Set a value; it holds where neither environment nor file says otherwise
    #[command(after_help = examples!(
        "a2n settings set engine.parallelSteps 8"
        "a2n settings set log.level debug"
    ))]
    Set {
        /// Its key
        key: String,
        /// The value: a text as it is, anything else as JSON
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Take the value back, so that the file's or the default holds again
    #[command(after_help = examples!("a2n settings reset log.level"))]
    Reset {
        /// Its key
        key: String,
    },
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        match self.verb.unwrap_or(Verb::Ls { text: None }) {
            Verb::Ls { text } => {
                let filter = Filter { text, ..Default::default() };
                let rows = rows::list::<List, _, _>(&session, filter, 10_000).await?;
                let names = || rows.items.iter().map(|setting| setting.key.clone()).collect();
                cx.out.show(&rows.json, names, |out| {
                    table(out, &rows.items).text(out, "No such settings.")
                })?;
                Ok(Exit::Done)
            }
            Verb::Get { key } => {
                let one = One { key: Some(key), id: None };
                shown(cx, &ask::<Get>(&session, &one).await?)
            }
            Verb::Set { key, value } => {
                // Its type says whether `8` is a number or a text.
                let one = One { key: Some(key.clone()), id: None };
                let setting = session.call::<Get>(&one).await?;
                let value = read(&setting, &value)?;
                let params = SetParams { key, value, if_revision: None, idempotency_key: None };
                shown(cx, &ask::<Set>(&session, &params).await?)
            }
            Verb::Reset { key } => {
                let params = ResetParams { key, if_revision: None, idempotency_key: None };
                shown(cx, &ask::<Reset>(&session, &params).await?)
            }
        }
    }
}

fn read(setting: &AppSetting, text: &str) -> Result<Json, Failure> {
    if setting.data_type == SettingType::String {
        // Words to choose from are taken in any case.
        let rule = setting.validation_rule.to_value();
        let words = rule["enum"].as_array().into_iter().flatten().filter_map(|one| one.as_str());
        let word = words.clone().find(|word| word.eq_ignore_ascii_case(text));
        return Ok(Json::of(word.unwrap_or(text)));
    }
    Json::parse(text).map_err(|fault| {
        let kind = status_text(setting.data_type).to_lowercase();
        Failure::usage(format!("`{text}` is not a value of {} ({kind}): {fault}", setting.key))
    })
}

fn table(out: &Out, settings: &[AppSetting]) -> Table {
    let mut columns = vec!["KEY", "VALUE~", "FROM", ""];
    if out.is_wide() {
        columns.extend(["DEFAULT~", "DESCRIPTION~"]);
    }
    let mut table = Table::new(&columns);
    for setting in settings {
        let from = status_text(setting.source).to_lowercase();
        let style = if from == "default" { Style::Dim } else { Style::Bold };
        table.row([
            setting.key.as_str().into(),
            Cell::styled(setting.value.as_str(), style),
            Cell::styled(from, style),
            if setting.needs_restart {
                Cell::styled("after a restart", Style::Wary)
            } else {
                Cell::default()
            },
            setting.default_value.as_str().into(),
            setting.description.as_str().into(),
        ]);
    }
    table
}

fn shown(cx: &Context, answered: &Answered<AppSetting>) -> Outcome {
    let setting = &answered.value;
    cx.out.show(
        &answered.json,
        || vec![setting.key.clone()],
        |out| {
            let mut table = Table::new(&["", "~"]);
            let mut put =
                |name: &str, value: Cell| table.row([Cell::styled(name, Style::Dim), value]);
            put("key", setting.key.as_str().into());
            put("value", Cell::styled(setting.value.as_str(), Style::Bold));
            put("from", status_text(setting.source).to_lowercase().into());
            put("default", setting.default_value.as_str().into());
            for (name, value) in [
                ("environment", &setting.environment_value),
                ("file", &setting.file_value),
                ("store", &setting.store_value),
            ] {
                if let Some(value) = value {
                    put(name, value.as_str().into());
                }
            }
            put("about", setting.description.as_str().into());
            let effect = match (setting.needs_restart, setting.is_live) {
                (true, _) => "after a restart of the daemon",
                (false, true) => "at once",
                (false, false) => "at a start of the daemon",
            };
            put("takes effect", effect.into());
            table.text(out, "")
        },
    )?;
    Ok(Exit::Done)
}
