//! `emit`: tells the inbox that something happened. Told once, whatever crashes.

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::event::Event;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::engine::request::Request;
use crate::engine::request::event::EmitRequest;
use crate::nodes::config::{Config, is_expression};
use crate::nodes::context::all_items;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input, one_output};
use crate::nodes::schema;

/// Largest data of one event, in bytes.
const LARGEST: usize = 1 << 20;

const DOCUMENTATION: &str = "\
Tells the inbox that something happened, as `a2n emit` does: workflows that wait for it (`wait` with
`event`) go on. Each item tells one event and then goes on with a member `event` (`seq`, `at`). The event
is stored together with the step's result: it is told once, also where the daemon dies in between.

Workflows of the same owner see it, and those of every ADMIN and OWNER; `shared: true` shows it to the
workflows of all users. The names that the daemon itself uses (FILE, HEALTH, WORKFLOW, …) are refused.

```yaml
type: emit
config:
  type: backup.done
  source: nas
  data: {files: \"{{ item.files }}\"}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "emit",
        version: "1.0.0",
        display_name: "Emit event",
        description: "Tells the inbox that something happened.",
        node_type: NodeType::Action,
        category: "flow",
        icon: "⚑",
        color: "green",
        tags: &["event", "signal", "notify", "publish"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "type": schema::with(schema::text("What sort of thing: letters, digits, `.`, `_`, `:` and `-`."), "examples", json!(["backup.done"])),
                "source": schema::text("Where it happened; the workflow's name where absent."),
                "data": {"description": "What there is to know about it; the item where absent."},
                "shared": schema::flag(false, "Whether the workflows of all users see it."),
            }),
            &["type"],
        ),
        input_schema: json!(true),
        output_schema: json!({"type": "object", "properties": {"event": {"type": "object"}}}),
        constant_paths: &[],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Retryable,
        check,
        carry_out: CarryOut::Inline(compute),
    }
}

fn check(config: &Value) -> Vec<Fault> {
    let event_type = config.get("type").filter(|value| !is_expression(value));
    match event_type.and_then(Value::as_str).map(Event::check_type) {
        Some(Err((message, hint))) => vec![("type".into(), message, Some(hint.into()))],
        _ => Vec::new(),
    }
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["type", "source", "data", "shared"])?;
    let wrong = |message: String| NodeError::new("CONFIG", message);
    let event_type = config.require_text("type")?;
    Event::check_type(&event_type).map_err(|(message, _)| wrong(format!("`type`: {message}")))?;
    let source = config.text("source")?;
    if source.as_deref().is_some_and(|source| !Event::is_source(source)) {
        let most = Event::MAX_NAME;
        return Err(wrong(format!("`source` has 1 to {most} characters that can be shown")));
    }
    let items = all_items(&work.items);
    let data = match (config.get("data"), items.as_slice()) {
        (Some(data), _) => Json::from(data.clone()),
        (None, [item]) => item.clone(),
        (None, several) => Json::of(&several),
    };
    if data.size_bytes() > LARGEST {
        let size = data.size_bytes();
        return Err(wrong(format!("`data` has {size} bytes; {LARGEST} are allowed")));
    }
    let shared = config.flag("shared", false)?;
    let request = EmitRequest { event_type, source, data, shared, items };
    Ok(Outcome::Request(Box::new(Request::Emit(Box::new(request)))))
}
