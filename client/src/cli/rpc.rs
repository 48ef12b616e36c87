//! `a2n rpc METHOD [JSON]`: any method of the socket, raw.

use std::io::Read as _;

use a2n_client::{Exit, SafeText, Session};
use a2n_proto::Json;
use serde_json::Value;

use super::failure::Failure;
use super::output::Format;
use super::{Context, Outcome, examples};

/// Call any method and print its result
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n rpc system.ping"
    "a2n rpc execution.list '{\"limit\": 3}'"
    "echo '{\"name\": \"backup\"}' | a2n rpc workflow.get -"
    "a2n rpc rpc.discover                 every method there is"
    "a2n rpc system.subscribe             what it sends, a notice a line"
))]
pub(super) struct Args {
    /// The method: entity.verb
    method: String,
    /// Its params, one JSON object; - reads standard input
    #[arg(value_name = "JSON|-")]
    params: Option<String>,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let params = match self.params.as_deref() {
            None => Json::object(),
            Some("-") => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).map_err(|error| {
                    Failure::failed(format!("can't read standard input: {error}"))
                })?;
                read_json(&text)?
            }
            Some(text) => read_json(text)?,
        };
        let session = cx.session().await?;
        if let Some(entity) = self.method.strip_suffix(".subscribe") {
            return stay(cx, &session, entity, &params).await;
        }
        let result = session.call_json(&self.method, &params).await?;
        match cx.out.format {
            Format::Yaml => cx.out.show(&result, Vec::new, |_| String::new())?,
            Format::Name => cx.out.show(&result, || names(&result), |_| String::new())?,
            _ => cx.out.json(&result)?,
        }
        Ok(Exit::Done)
    }
}

/// What an answer, or each row of a list, is called by.
fn names(result: &Json) -> Vec<String> {
    let result = result.to_value();
    let rows = match result.get("items") {
        Some(Value::Array(items)) => items.clone(),
        _ => vec![result],
    };
    let called = |row: &Value| {
        let name = ["name", "key", "id"].iter().find_map(|member| row.get(member)?.as_str());
        name.map(str::to_owned)
    };
    rows.iter().filter_map(called).collect()
}

/// Prints what a subscription sends, a notice a line, until it ends.
async fn stay(cx: &Context, session: &Session, entity: &str, params: &Json) -> Outcome {
    let mut listening = session.listen(entity, params).await?;
    loop {
        let notice = listening.next().await?;
        cx.out.line(&cx.out.safe(notice.as_str()))?;
        if notice.to_value().get("end").is_some() {
            return Ok(Exit::Done);
        }
    }
}

/// JSON from the command line.
pub(super) fn read_json(text: &str) -> Result<Json, Failure> {
    Json::parse(text)
        .map_err(|fault| Failure::usage(format!("`{}` can't be taken: {fault}", shortened(text))))
}

fn shortened(text: &str) -> String {
    let safe = SafeText::line(text.trim()).into_string();
    if safe.chars().count() > 40 {
        safe.chars().take(40).chain("…".chars()).collect()
    } else {
        safe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_called_by_name_key_or_id() {
        let called = |text: &str| names(&Json::parse(text).unwrap());
        assert_eq!(called(r#"{"items":[{"id":"1","name":"a"},{"key":"b.c"}]}"#), ["a", "b.c"]);
        assert_eq!(called(r#"{"id":"1"}"#), ["1"]);
        assert_eq!(called(r#"{"pong":true}"#), [""; 0]);
    }
}
