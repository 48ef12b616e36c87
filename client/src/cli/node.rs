//! `a2n node`: the kinds of steps there are.

use a2n_client::{Exit, SafeText};
use a2n_proto::api::node_definition::{Filter, Get, List, One};
use a2n_proto::nodes::NodeDefinition;
use clap::Subcommand;
use serde_json::Value;

use super::ending::status_text;
use super::output::{Cell, Out, Style, Table, wrapped};
use super::rows;
use super::{Context, Outcome, ask, examples};

/// Show the kinds of steps a workflow may have
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n node ls"
    "a2n node ls http"
    "a2n node show shell"
))]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List node definitions
    #[command(after_help = examples!("a2n node ls" "a2n node ls http -o name"))]
    Ls {
        /// With these words in name, description or tags
        text: Option<String>,
    },
    /// Show one node definition with its configuration
    #[command(after_help = examples!("a2n node show shell" "a2n node show http -o json"))]
    Show {
        /// Its name, or name@version
        name: String,
    },
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        match self.verb {
            Verb::Ls { text } => {
                let filter = Filter { text, ..Default::default() };
                let rows = rows::list::<List, _, _>(&session, filter, 1_000).await?;
                let names = || rows.items.iter().map(|node| node.name.clone()).collect();
                cx.out.show(&rows.json, names, |out| {
                    let mut table = Table::new(&["NAME", "VERSION", "TYPE", "DESCRIPTION~"]);
                    for node in &rows.items {
                        table.row([
                            node.name.as_str().into(),
                            node.version.as_str().into(),
                            status_text(node.kind).to_lowercase().into(),
                            node.description.as_deref().unwrap_or("").into(),
                        ]);
                    }
                    table.text(out, "No such node definitions.")
                })?;
            }
            Verb::Show { name } => {
                let one = One { name: Some(name), id: None };
                let got = ask::<Get>(&session, &one).await?;
                let names = || vec![got.value.name.clone()];
                cx.out.show(&got.json, names, |out| text(out, &got.value))?;
            }
        }
        Ok(Exit::Done)
    }
}

fn text(out: &Out, node: &NodeDefinition) -> String {
    let title = format!("{} {}: {}", node.name, node.version, node.display_name);
    let mut text = format!("{}\n", out.styled(Style::Bold, &out.safe(&title)));
    for words in [&node.description, &node.documentation].into_iter().flatten() {
        let words = SafeText::lines(words.trim_end()).into_string();
        let words = out.width().map(|cells| wrapped(&words, cells)).unwrap_or(words);
        text.push_str(&format!("\n{words}\n"));
    }
    text.push_str("\nConfiguration\n");
    let schema = node.settings_schema.to_value();
    let required = schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)));
    let mut table = Table::new(&["", "~", "", "~"]);
    for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        let about = member.get("description").and_then(Value::as_str).unwrap_or("");
        table.row([
            name.into(),
            kind(member).into(),
            if is_required(name) { Cell::styled("required", Style::Wary) } else { Cell::default() },
            about.into(),
        ]);
    }
    text.push_str(&table.text(out, "none"));
    text
}

/// What a member of a schema takes, in one word: its words where it is one of some.
fn kind(member: &Value) -> String {
    if let Some(values) = member.get("enum").and_then(Value::as_array) {
        let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        return values.join("|");
    }
    // A choice, or a text that holds an expression: the words say more than `any`.
    let either = member.get("anyOf").or_else(|| member.get("oneOf"));
    if let Some(one) = either
        .and_then(Value::as_array)
        .and_then(|all| all.iter().find(|one| one.get("enum").is_some()))
    {
        return kind(one);
    }
    match member.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("|")
        }
        _ => "any".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The words that `stdin` and `output` take were shown as `any`.
    #[test]
    fn the_words_of_a_choice_are_shown() {
        let expression = json!({"type": "string", "pattern": "\\{\\{"});
        let choice = json!({"anyOf": [{"enum": ["NONE", "ITEM", "TEXT"]}, expression]});
        assert_eq!(kind(&choice), "NONE|ITEM|TEXT");
        assert_eq!(kind(&json!({"enum": ["A", "B"]})), "A|B");
        assert_eq!(kind(&json!({"type": ["integer", "string"]})), "integer|string");
        assert_eq!(kind(&json!({})), "any");
    }
}
