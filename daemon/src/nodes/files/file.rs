//! `file`: reads, writes or appends to a file.

use std::path::{Path, PathBuf};

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use crate::engine::kind::{NodeError, Outcome, WorksOn};
use crate::nodes::attached::{self, Content};
use crate::nodes::config::{Config, is_expression};
use crate::nodes::context::{Context, output};
use crate::nodes::data::members::Members;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input, one_output};
use crate::nodes::schema;
use crate::system::begun;
use crate::system::files::{FileError, Writing};

/// Nobody says what the bytes of a file are.
const BYTES: &str = "application/octet-stream";
const ACTIONS: [&str; 3] = ["READ", "WRITE", "APPEND"];

const DOCUMENTATION: &str = "\
Works on one regular file for each item. A relative `path` is below HOME.

- `READ` gives `{path, size, modified, content}`. Content that is not UTF-8 is put aside as an
  attachment: `content` is then its reference `{name, mediaType, size, hash}`.
- `WRITE` replaces the whole file and gives `{path, size}`. The content goes to a new file beside the
  old one, which is synced and renamed over it: a crash leaves the old or the new, never half. A
  symbolic link stays, its target is replaced. Without `mode` the old file's permissions stay.
- `APPEND` adds to the end, syncs and gives `{path, size}` with the new size. It is never repeated
  without a known failure.

As `content` an attachment (`{{ item.body }}` of an `http` step, `{{ item.content }}` of a read) is
written byte for byte, a text as it is, anything else as JSON. No line end is added. Text ends at
16 MiB, an attachment at 1 GiB (settings).

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
                "content": {"description": "WRITE and APPEND: an attachment's bytes, a text as it is, anything else as JSON."},
                "mode": {"type": "string", "pattern": r"^0?[0-7]{3,4}$|\{\{", "description": "WRITE and APPEND: permissions in octal, quoted.", "examples": ["0640"]},
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
                "content": {"type": ["string", "object"], "description": "READ: the text, or the reference of an attachment."},
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
    if let Some(path) = config.get("path").filter(|path| !is_expression(path))
        && path.as_str().is_some_and(|path| path.contains('\0'))
    {
        let hint = "leave it out: no path of a file has one".to_owned();
        return vec![("path".into(), "`path` holds a NUL character".into(), Some(hint))];
    }
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
            let hint = "add `content`: what is written, for example \"{{ item.text }}\"".to_owned();
            vec![("content".into(), format!("action {action} needs `content`"), Some(hint))]
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
        return Ok(Outcome::Items(output(vec![read(&context, &path, at_most).await?])));
    }
    let content = Content::of(config.require("content")?);
    if !matches!(content, Content::Attachment(_)) && content.size() > at_most as u64 {
        let message = format!("`content` is longer than {at_most} bytes");
        return Err(NodeError::new("TOO_LARGE", message));
    }
    context.measure_bytes("step.bytes_in", content.size());
    let how = Writing {
        create: config.flag("create", true)?,
        mode: mode(&config)?,
        tag: context.job.idempotency_key.clone(),
    };
    let content = content.open(&context).await?;
    let may_make = how.create;
    let size = match action {
        "WRITE" => files.write(&path, content, how).await,
        _ => files.append(&path, content, how).await,
    };
    let size = size.map_err(|e| match e {
        FileError::Io { path, source } if is_absent(&source) && !may_make => {
            let path = path.display();
            let message = format!("{path} does not exist, and `create: false` makes none");
            NodeError::new("IO", message)
        }
        e => failed(&e),
    })?;
    let mut members = Members::default();
    members.put("path", Json::of(&path.to_string_lossy()));
    members.put("size", Json::of(&size));
    Ok(Outcome::Items(output(vec![members.into_item()])))
}

/// The item of a file: its text, or where it is none the reference of its bytes.
async fn read(context: &Context, path: &Path, at_most: usize) -> Result<Json, NodeError> {
    let mut opened = context.system.files.open(path).await.map_err(|e| failed(&e))?;
    let mut text = Vec::new();
    while text.len() <= at_most
        && let Some(piece) = opened.pieces.next().await.map_err(|e| failed(&e))?
    {
        text.extend_from_slice(&piece);
    }
    let has_more = text.len() > at_most;
    let (size, content) = match String::from_utf8(text) {
        Ok(_) if has_more => return Err(too_large(path, at_most)),
        Ok(text) => (text.len() as u64, Json::of(&text)),
        // Cut within a character: so far it is text.
        Err(e) if has_more && e.utf8_error().error_len().is_none() => {
            return Err(too_large(path, at_most));
        }
        Err(e) => {
            let pieces = begun(vec![e.into_bytes().into()], opened.pieces);
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let kept = attached::put_aside(context, pieces, &name, BYTES, |e| failed(&e)).await?;
            (kept.size, attached::reference(&kept))
        }
    };
    context.measure_bytes("step.bytes_out", size);
    let mut members = Members::default();
    members.put("path", Json::of(&path.to_string_lossy()));
    members.put("size", Json::of(&size));
    members.put("modified", Json::of(&opened.modified));
    members.put("content", content);
    Ok(members.into_item())
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

fn is_absent(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

fn too_large(path: &Path, at_most: usize) -> NodeError {
    failed(&FileError::TooLarge { path: path.to_owned(), at_most })
}

fn failed(error: &FileError) -> NodeError {
    let kind = match error {
        FileError::TooLarge { .. } => "TOO_LARGE",
        full if full.is_full() => "STORAGE",
        _ => "IO",
    };
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
        let wanted = "does not exist, and `create: false` makes none";
        assert!(told.starts_with("IO: ") && told.ends_with(wanted), "{told}");
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

    #[tokio::test]
    async fn bytes_travel_as_an_attachment_and_arrive_as_they_were() {
        let bench = Bench::new();
        let at = |name: &str| bench.folder.path().join(name);
        let bytes: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(at("from"), &bytes).unwrap();
        let told = bench.run("file", json!({"path": at("from")}), "null").await;
        let item: Value = serde_json::from_str(told.strip_prefix("output: ").unwrap()).unwrap();
        let content = &item["content"];
        assert_eq!(content["name"], "from", "{told}");
        assert_eq!((&content["size"], &item["size"]), (&json!(4_000_000), &json!(4_000_000)));
        for (action, size) in [("WRITE", 4_000_000), ("APPEND", 8_000_000)] {
            let config = json!({"action": action, "path": at("to"), "content": content});
            let told = bench.run("file", config, "null").await;
            assert!(told.ends_with(&format!("\"size\":{size}}}")), "{told}");
        }
        assert!(std::fs::read(at("to")).unwrap() == [&bytes[..], &bytes[..]].concat());
        assert_eq!(std::fs::read_dir(at("attachments")).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn an_attachment_that_is_gone_or_damaged_changes_no_file() {
        let bench = Bench::new();
        let at = |name: &str| bench.folder.path().join(name);
        std::fs::write(at("from"), b"\xff\xfe").unwrap();
        let told = bench.run("file", json!({"path": at("from")}), "null").await;
        let item: Value = serde_json::from_str(told.strip_prefix("output: ").unwrap()).unwrap();
        let hash = item["content"]["hash"].as_str().unwrap().replace("sha256:", "");
        let kept = at("attachments").join(hash);
        std::fs::write(at("to"), b"old").unwrap();
        let write = json!({"action": "WRITE", "path": at("to"), "content": item["content"]});
        std::fs::write(&kept, b"\xff\xfd").unwrap();
        let told = bench.run("file", write.clone(), "null").await;
        assert!(told.contains("the attachment is damaged"), "{told}");
        let mut append = write.clone();
        append["action"] = json!("APPEND");
        let told = bench.run("file", append, "null").await;
        assert!(told.contains("the attachment is damaged"), "{told}");
        std::fs::remove_file(&kept).unwrap();
        let told = bench.run("file", write, "null").await;
        assert!(told.starts_with("ATTACHMENT: ") && told.ends_with("is not kept any longer"));
        assert_eq!(std::fs::read(at("to")).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(bench.folder.path()).unwrap().count(), 3);
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
