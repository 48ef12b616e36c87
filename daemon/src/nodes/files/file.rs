//! `file`: reads, writes or appends to a file.

use std::path::PathBuf;

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use crate::engine::kind::{NodeError, Outcome, WorksOn};
use crate::nodes::config::{Config, is_expression};
use crate::nodes::context::{Context, output};
use crate::nodes::data::members::Members;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input, one_output};
use crate::nodes::schema;
use crate::system::files::{Content, FileError, Writing};

const ACTIONS: [&str; 3] = ["READ", "WRITE", "APPEND"];

const DOCUMENTATION: &str = "\
Works on one regular file for each item. A relative `path` is below HOME.

- `READ` gives `{path, size, modified, content}`. Content that is not UTF-8 has U+FFFD for its odd
  bytes and says `lossy: true`.
- `WRITE` replaces the whole file and gives `{path, size}`. The content goes to a new file beside the
  old one, which is synced and renamed over it: a crash leaves the old or the new, never half. A
  symbolic link stays, its target is replaced. Without `mode` the old file's permissions stay.
- `APPEND` adds to the end, syncs and gives `{path, size}` with the new size. It is never repeated
  without a known failure.

Content that is not a text is written as JSON. No line end is added. Files and contents end at 16 MiB
(a setting).

```yaml
type: file
config: {action: APPEND, path: /var/tmp/report.txt, content: \"{{ now }} {{ item.host }}\\n\"}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "file",
        version: "1.0.0",
        display_name: "File",
        description: "Reads, writes or appends to a file.",
        node_type: NodeType::File,
        category: "files",
        icon: "▤",
        color: "magenta",
        tags: &["read", "write", "append", "save", "load"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "action": schema::choice(&ACTIONS, Some("READ"), "What is done."),
                "path": {"type": "string", "minLength": 1, "description": "The file; a relative path is below HOME.", "examples": ["/var/tmp/report.txt"]},
                "content": {"description": "WRITE and APPEND: a text as it is, anything else as JSON."},
                "mode": {"type": "string", "pattern": r"^0?[0-7]{3,4}$|\{\{|\{%", "description": "WRITE and APPEND: permissions in octal, quoted.", "examples": ["0640"]},
                "create": schema::flag(true, "WRITE and APPEND: whether a file that is not there is made."),
            }),
            &["path"],
        ),
        input_schema: json!(true),
        output_schema: json!({
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "size": {"type": "integer", "description": "Bytes."},
                "modified": {"type": "string", "format": "date-time", "description": "READ."},
                "content": {"type": "string", "description": "READ."},
            },
        }),
        constant_paths: &[],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs: one_output,
        repeat: |config| match config.get("action").map_or(Some("READ"), Value::as_str) {
            Some("READ" | "WRITE") => Repeat::Retryable,
            _ => Repeat::Once,
        },
        check,
        carry_out: CarryOut::Outside(|context| Box::pin(work(context))),
    }
}

fn check(config: &Value) -> Vec<Fault> {
    let action = config.get("action");
    if action.is_some_and(is_expression) {
        return Vec::new();
    }
    let action = action.and_then(Value::as_str).unwrap_or("READ");
    let has_content = config.get("content").is_some();
    match action {
        "READ" if has_content => {
            let hint = "set action to WRITE or APPEND".to_owned();
            vec![("content".into(), "action READ takes no `content`".into(), Some(hint))]
        }
        "WRITE" | "APPEND" if !has_content => {
            vec![("content".into(), format!("action {action} needs `content`"), None)]
        }
        _ => Vec::new(),
    }
}

async fn work(context: Context) -> Result<Outcome, NodeError> {
    let config = Config::of(context.config(), &["action", "path", "content", "mode", "create"])?;
    let path = path(&context, &config)?;
    let files = &context.system.files;
    let at_most = context.settings.max_file_bytes;
    let action = config.choice("action", &ACTIONS)?;
    if action == "READ" {
        let content = files.read(&path, at_most).await.map_err(|e| failed(&e))?;
        context.measure_bytes("step.bytes_out", content.bytes.len());
        return Ok(Outcome::Items(output(vec![read_item(&path, &content)])));
    }
    config.require("content")?;
    let content = config.text("content")?.unwrap_or_default().into_bytes();
    if content.len() > at_most {
        let message = format!("`content` is longer than {at_most} bytes");
        return Err(NodeError::new("TOO_LARGE", message));
    }
    context.measure_bytes("step.bytes_in", content.len());
    let how = Writing {
        create: config.flag("create", true)?,
        mode: mode(&config)?,
        tag: context.job.idempotency_key.clone(),
    };
    let size = match action {
        "WRITE" => files.write(&path, content, how).await,
        _ => files.append(&path, content, how).await,
    };
    let mut members = Members::default();
    members.put("path", Json::of(&path.to_string_lossy()));
    members.put("size", Json::of(&size.map_err(|e| failed(&e))?));
    Ok(Outcome::Items(output(vec![members.into_item()])))
}

fn path(context: &Context, config: &Config<'_>) -> Result<PathBuf, NodeError> {
    let path = config.require_text("path")?;
    if path.is_empty() || path.contains('\0') {
        return Err(NodeError::new("CONFIG", "`path` is empty or holds a zero byte"));
    }
    Ok(context.system.process.account().home.join(path))
}

fn mode(config: &Config<'_>) -> Result<Option<u32>, NodeError> {
    let Some(text) = config.text("mode")? else { return Ok(None) };
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if mode <= 0o7777 && text.len() >= 3 => Ok(Some(mode)),
        _ => {
            let message = format!("`mode` is `{text}`, but must be octal, for example \"0640\"");
            Err(NodeError::new("CONFIG", message))
        }
    }
}

fn read_item(path: &std::path::Path, content: &Content) -> Json {
    let text = String::from_utf8_lossy(&content.bytes);
    let mut members = Members::default();
    members.put("path", Json::of(&path.to_string_lossy()));
    members.put("size", Json::of(&content.bytes.len()));
    members.put("modified", Json::of(&content.modified));
    members.put("content", Json::of(&text));
    if matches!(text, std::borrow::Cow::Owned(_)) {
        members.put("lossy", Json::of(&true));
    }
    members.into_item()
}

fn failed(error: &FileError) -> NodeError {
    let kind = if matches!(error, FileError::TooLarge { .. }) { "TOO_LARGE" } else { "IO" };
    NodeError::new(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::bench::Bench;

    #[tokio::test]
    async fn a_file_is_written_appended_to_and_read() {
        let bench = Bench::new();
        let path = bench.folder.path().join("f");
        let at = path.to_str().unwrap();
        let run = async |config| bench.run("file", config, "null").await;
        let told =
            run(json!({"action": "WRITE", "path": at, "content": "one\n", "mode": "0600"})).await;
        assert_eq!(told, format!(r#"output: {{"path":"{at}","size":4}}"#));
        let told = run(json!({"action": "APPEND", "path": at, "content": {"n": 1}})).await;
        assert_eq!(told, format!(r#"output: {{"path":"{at}","size":11}}"#));
        let told = run(json!({"path": at})).await;
        assert!(
            told.starts_with(&format!(r#"output: {{"path":"{at}","size":11,"modified":"20"#)),
            "{told}"
        );
        assert!(told.ends_with(r#""content":"one\n{\"n\":1}"}"#), "{told}");
    }

    #[tokio::test]
    async fn what_can_not_be_done_is_said() {
        let bench = Bench::with(crate::system::System::real(), |s| s.max_file_bytes = 3);
        let missing = bench.folder.path().join("missing");
        let run = async |config| bench.run("file", config, "null").await;
        let told = run(json!({"path": missing})).await;
        assert_eq!(
            told,
            format!("IO: {}: No such file or directory (os error 2)", missing.display())
        );
        let told =
            run(json!({"path": missing, "action": "APPEND", "content": "x", "create": false}))
                .await;
        assert!(told.starts_with("IO: "), "{told}");
        let told = run(json!({"path": missing, "action": "WRITE", "content": "long"})).await;
        assert_eq!(told, "TOO_LARGE: `content` is longer than 3 bytes");
        let told =
            run(json!({"path": missing, "action": "WRITE", "content": "x", "mode": "rw"})).await;
        assert_eq!(told, "CONFIG: `mode` is `rw`, but must be octal, for example \"0640\"");
        assert_eq!(run(json!({"path": "/dev/zero"})).await, "IO: /dev/zero is not a regular file");
        assert_eq!(
            run(json!({"path": "x", "action": "WRITE"})).await,
            "CONFIG: `content` is missing or null"
        );
        assert!(!missing.exists());
    }

    #[test]
    fn only_append_is_never_repeated() {
        let definition = definition();
        let repeat = |action: Value| (definition.repeat)(&json!({"action": action}));
        assert_eq!((definition.repeat)(&json!({})), Repeat::Retryable);
        assert_eq!(repeat(json!("WRITE")), Repeat::Retryable);
        assert_eq!(repeat(json!("APPEND")), Repeat::Once);
        assert_eq!(repeat(json!("{{ x }}")), Repeat::Once);
    }
}
