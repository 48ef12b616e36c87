//! `shell`: runs a command or a script as a process.
//!
//! Data reaches the process as whole arguments, environment values, stdin and files, never as text
//! of a script: an expression in `script` or `interpreter` is refused when saved.

use a2n_proto::document::Repeat;
use a2n_proto::execution::MetricType;
use a2n_proto::nodes::NodeType;
use serde_json::{Map, Value, json};

use super::environment::{NAMES, environment, not_a_name};
use super::folders::attempt_folder;
use super::hearing::{Heard, Hearing};
use super::output::{self, Left, Output};
use crate::engine::kind::{NodeError, Outcome, WorksOn};
use crate::nodes::config::{Config, is_expression, text, wrong};
use crate::nodes::context::{Context, output as out_of};
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input, one_output};
use crate::nodes::schema;
use crate::system::files::Writing;
use crate::system::process::{Ended, Exit, Order};
use crate::system::whole;

const DOCUMENTATION: &str = include_str!("shell.md");

pub(in crate::nodes) fn definition() -> Definition {
    let interpreter = json!({
        "type": ["string", "array"],
        "items": {"type": "string"},
        "minItems": 1,
        "minLength": 1,
        "default": "/bin/sh",
        "description": "What runs `script`: a program, or a list of program and arguments. It gets the script's file as last argument. No expressions.",
        "examples": ["bash", ["python3", "-u"]],
    });
    let exit_code =
        schema::with(schema::integer(0, None, "An exit code, 0 to 255."), "maximum", json!(255));
    Definition {
        name: "shell",
        version: "1.0.0",
        display_name: "Shell",
        description: "Runs a command or a script on this machine.",
        node_type: NodeType::Action,
        category: "process",
        icon: "$",
        color: "green",
        tags: &["command", "script", "bash", "process", "exec"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "command": schema::with(
                    schema::or_expression(json!({"type": "array", "minItems": 1, "items": schema::text("One argument, passed as one piece."), "description": "Program and arguments."})),
                    "examples", json!([["df", "--output=source,size,used,pcent,target"]])),
                "script": schema::constant("Text of a script for `interpreter`, instead of `command`. No expressions: hand data over by `env` or `stdin`."),
                "interpreter": interpreter,
                "env": schema::map(schema::text("A value, passed as one piece."), "Further environment variables."),
                "cwd": schema::text("The folder it runs in; HOME where not said. A relative one is below HOME."),
                "stdin": schema::choice(&["NONE", "ITEM", "TEXT"], Some("NONE"), "What it reads: nothing, the item as one line of JSON, or `stdinText`."),
                "stdinText": schema::text("stdin TEXT: what it reads."),
                "output": schema::choice(&Output::WORDS, Some("TEXT"), "How stdout becomes items."),
                "columns": schema::list(schema::text("A column's name."), "output TABLE: names instead of the header's."),
                "successCodes": schema::with(schema::list(exit_code, "Exit codes that are no failure."), "default", json!([0])),
            }),
            &[],
        ),
        input_schema: json!(true),
        output_schema: json!({"type": ["object", "array", "string", "number", "boolean", "null"], "description": "By `output`: TEXT {stdout, exitCode}, LINES {line}, TABLE a member per column, NONE {exitCode}, JSON and JSONL whatever was printed."}),
        constant_paths: &["script", "interpreter"],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Once,
        check,
        carry_out: CarryOut::Outside(|context| Box::pin(work(context))),
    }
}

fn check(config: &Value) -> Vec<Fault> {
    let has = |name: &str| config.get(name).is_some();
    let fault = |at: &str, message: &str, hint: &str| {
        (at.to_owned(), message.to_owned(), Some(hint.to_owned()))
    };
    let mut faults = Vec::new();
    match (has("command"), has("script")) {
        (false, false) => {
            faults.push(fault(
                "command",
                "`shell` needs `command` or `script`",
                "for example command: [uptime]",
            ));
        }
        (true, true) => {
            faults.push(fault(
                "script",
                "`command` and `script` exclude each other",
                "leave one out",
            ));
        }
        _ => {}
    }
    if has("interpreter") && !has("script") {
        faults.push(fault(
            "interpreter",
            "`interpreter` runs a `script`, but there is none",
            "put the program first in `command`",
        ));
    }
    let arguments = config.get("command").and_then(Value::as_array).into_iter().flatten();
    for (n, argument) in arguments.enumerate().filter(|(_, argument)| !is_expression(argument)) {
        let Some(text) = argument.as_str() else { continue };
        if text.contains('\0') {
            let hint = "hand bytes over by `stdin` or a file";
            faults.push(fault(&format!("command[{n}]"), "an argument can't hold NUL", hint));
        }
        if n == 0 && text.is_empty() {
            let hint = "for example command: [uptime]";
            faults.push(fault("command[0]", "the name of the program is empty", hint));
        }
    }
    if config.get("stdin").and_then(Value::as_str) == Some("TEXT") && !has("stdinText") {
        faults.push(fault("stdinText", "stdin TEXT needs `stdinText`", "add what it reads"));
    }
    let output = config.get("output");
    if has("columns") && output.is_none_or(|o| !is_expression(o) && o.as_str() != Some("TABLE")) {
        let message = "`columns` are read only with output: TABLE";
        faults.push(fault("columns", message, "set output: TABLE"));
    }
    let columns = config.get("columns").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (n, column) in columns.iter().enumerate().filter(|(_, column)| !is_expression(column)) {
        if columns[..n].contains(column) {
            let message = format!("column {column} is named twice");
            faults.push(fault(&format!("columns[{n}]"), &message, "give it another name"));
        }
    }
    if has("stdinText")
        && config.get("stdin").and_then(Value::as_str).is_none_or(|s| s == "NONE" || s == "ITEM")
    {
        faults.push(fault(
            "stdinText",
            "`stdinText` is read only with stdin: TEXT",
            "set stdin: TEXT",
        ));
    }
    let variables = config.get("env").and_then(Value::as_object);
    for message in variables.into_iter().flat_map(Map::keys).filter_map(|name| not_a_name(name)) {
        faults.push(fault("env", &message, NAMES));
    }
    faults
}

/// The resolved configuration.
struct Asked {
    argv: Vec<String>,
    script: Option<String>,
    env: Vec<(String, String)>,
    cwd: Option<String>,
    stdin: Option<Vec<u8>>,
    output: Output,
    columns: Vec<String>,
    success_codes: Vec<i64>,
}

impl Asked {
    fn of(context: &Context) -> Result<Self, NodeError> {
        const KNOWN: [&str; 10] = [
            "command",
            "script",
            "interpreter",
            "env",
            "cwd",
            "stdin",
            "stdinText",
            "output",
            "columns",
            "successCodes",
        ];
        let config = Config::of(context.config(), &KNOWN)?;
        let script = config.text("script")?;
        let argv = match (&script, config.get("interpreter")) {
            (None, _) => {
                config.require("command")?;
                config.texts("command")?
            }
            (Some(_), None) => vec!["/bin/sh".into()],
            (Some(_), Some(Value::Array(_))) => config.texts("interpreter")?,
            (Some(_), Some(program)) => vec![text("interpreter", program)?],
        };
        let stdin = match config.choice("stdin", &["NONE", "ITEM", "TEXT"])? {
            "ITEM" => Some(format!("{}\n", context.item()).into_bytes()),
            "TEXT" => Some(config.text("stdinText")?.unwrap_or_default().into_bytes()),
            _ => None,
        };
        let env = config.text_map("env")?;
        if let Some(message) = env.iter().find_map(|(name, _)| not_a_name(name)) {
            return Err(NodeError::new("CONFIG", format!("`env`: {message}; {NAMES}")));
        }
        let mut success_codes = config.integers("successCodes")?;
        if let Some(n) = success_codes.iter().position(|code| !(0..=255).contains(code)) {
            let at = format!("successCodes[{n}]");
            return Err(wrong(&at, &success_codes[n].into(), "an exit code from 0 to 255"));
        }
        if success_codes.is_empty() {
            success_codes.push(0);
        }
        Ok(Self {
            argv,
            script,
            env,
            cwd: config.text("cwd")?,
            stdin,
            output: Output::of(config.choice("output", &Output::WORDS)?),
            columns: config.texts("columns")?,
            success_codes,
        })
    }
}

async fn work(context: Context) -> Result<Outcome, NodeError> {
    let account = context.system.process.account();
    if let Some(user) = context.job.run_as.as_ref().filter(|user| **user != account.name) {
        let message =
            format!("can't run as `{user}`: this daemon runs steps as `{}`", account.name);
        return Err(NodeError::new("RUN_AS", message));
    }
    let asked = Asked::of(&context)?;
    let folder = attempt_folder(&context);
    let files = &context.system.files;
    let io = |e: crate::system::files::FileError| NodeError::new("IO", e.to_string());
    // One of an attempt that a crash broke off may still be there.
    files.remove_folder(&folder).await.map_err(io)?;
    files.make_folder(&folder.join("credentials")).await.map_err(io)?;
    let done = in_folder(&context, asked, &folder).await;
    if let Err(e) = files.remove_folder(&folder).await {
        tracing::warn!(folder = %folder.display(), error = %e, "attempt's folder not removed");
    }
    done
}

async fn in_folder(
    context: &Context,
    mut asked: Asked,
    folder: &std::path::Path,
) -> Result<Outcome, NodeError> {
    let system = &context.system;
    if let Some(script) = asked.script.take() {
        let path = folder.join("script");
        let how = Writing { create: true, mode: Some(0o600), tag: String::new() };
        let written = system.files.write(&path, whole(script), how).await;
        written.map_err(|e| NodeError::new("IO", e.to_string()))?;
        asked.argv.push(path.to_string_lossy().into_owned());
    }
    let account = system.process.account();
    let env = environment(account, &context.settings.path, asked.env, &context.job, folder);
    context
        .measure_bytes("step.bytes_in", asked.stdin.as_ref().map_or(0, |text| text.len() as u64));
    let order = Order {
        argv: asked.argv,
        env,
        cwd: asked.cwd.map_or_else(|| account.home.clone(), |cwd| account.home.join(cwd)),
        stdin: asked.stdin,
        progress: Some(folder.join("progress")),
        grace: context.settings.grace,
    };
    if context.stop.is_cancelled() {
        return Err(Context::stopped());
    }
    let running = system.process.start(order).map_err(|e| spawn_error(&e))?;
    let heard = Hearing::new(context, asked.output).all(running).await;
    measure(context, &heard.exit, heard.bytes_out);
    if context.stop.is_cancelled() {
        return Err(Context::stopped());
    }
    let exit_code = succeeded(&heard, &asked.success_codes)?;
    let at_most = asked.output.at_most(&context.settings);
    let left =
        Left { stdout: &heard.stdout, cut: heard.cut, at_most, exit_code, columns: &asked.columns };
    let items = match own_items(context, folder).await? {
        Some(items) => items,
        None => output::items(asked.output, &left)?,
    };
    Ok(Outcome::Items(out_of(items)))
}

#[expect(clippy::cast_precision_loss, reason = "2^53 bytes never come together")]
fn measure(context: &Context, exit: &Exit, bytes_out: u64) {
    context.measure("step.cpu_time", exit.cpu.as_secs_f64() * 1000.0, MetricType::Timer, "ms");
    context.measure("step.peak_memory", exit.peak_memory_bytes as f64, MetricType::Gauge, "bytes");
    context.measure_bytes("step.bytes_out", bytes_out);
    if let Some(code) = exit.how.code() {
        context.measure("step.exit_code", f64::from(code), MetricType::Gauge, "count");
    }
}

fn succeeded(heard: &Heard, success_codes: &[i64]) -> Result<i32, NodeError> {
    let said = heard.last_error.as_deref().map(str::trim).filter(|said| !said.is_empty());
    let said = said
        .map_or(String::new(), |said| format!(": {}", said.chars().take(200).collect::<String>()));
    let message = match heard.exit.how {
        Ended::Code(code) if success_codes.contains(&i64::from(code)) => return Ok(code),
        Ended::Code(code) => format!("exit code {code}{said}"),
        Ended::Signal(signal) => format!("killed by signal {signal}{said}"),
        Ended::Unknown => {
            let message = "the process is gone and nobody knows how it ended";
            return Err(NodeError { in_doubt: true, ..NodeError::new("IN_DOUBT", message) });
        }
    };
    Err(NodeError { code: heard.exit.how.code(), ..NodeError::new("EXIT", message) })
}

/// Items that the process wrote to `A2N_OUTPUT`; none where it wrote nothing.
async fn own_items(
    context: &Context,
    folder: &std::path::Path,
) -> Result<Option<Vec<a2n_proto::Json>>, NodeError> {
    use crate::system::files::FileError;
    let path = folder.join("output");
    match context.system.files.read(&path, context.settings.max_output_bytes).await {
        Ok(content) if content.bytes.is_empty() => Ok(None),
        Ok(content) => output::json_lines("A2N_OUTPUT", &content.bytes).map(Some),
        Err(FileError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(e @ FileError::TooLarge { .. }) => Err(NodeError::new("TOO_LARGE", e.to_string())),
        Err(e) => Err(NodeError::new("IO", format!("A2N_OUTPUT: {e}"))),
    }
}

fn spawn_error(error: &crate::system::process::StartError) -> NodeError {
    use std::error::Error;
    let why = error.source().map_or(String::new(), |why| format!(": {why}"));
    NodeError::new("SPAWN", format!("{error}{why}"))
}

#[cfg(test)]
#[path = "shell_tests.rs"]
mod tests;
