//! Real processes through the executor: what a workflow sees.

use std::time::Duration;

use super::*;
use crate::engine::job::Measured;
use crate::nodes::bench::{Bench, told};
use crate::system::System;

fn sh(script: &str) -> Value {
    json!({"command": ["sh", "-c", script]})
}

fn with(mut config: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

fn value(measured: &[Measured], name: &str) -> f64 {
    measured.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("no {name}")).value
}

#[tokio::test]
async fn lines_are_logged_as_they_come_and_stdout_becomes_items() {
    let bench = Bench::new();
    let script = "echo one; echo two >&2; printf three; exit 3";
    let config = with(sh(script), json!({"output": "LINES", "successCodes": [0, 3]}));
    let end = bench.end(Bench::job("shell", config, "{}")).await;
    assert_eq!(told(&end.result), r#"output: {"line":"one"} {"line":"three"}"#);
    let mut heard = bench.ears.heard();
    heard.sort();
    assert_eq!(heard, ["err two", "out one", "out three"]);
    assert_eq!(value(&end.measured, "step.exit_code"), 3.0);
    assert_eq!(value(&end.measured, "step.bytes_out"), 13.0);
    assert!(value(&end.measured, "step.peak_memory") > 0.0);
    assert!(value(&end.measured, "step.cpu_time") >= 0.0);
    assert!(value(&end.measured, "step.wall_time") > 0.0);
    assert!(std::fs::read_dir(bench.folder.path().join("steps")).unwrap().next().is_none());
}

#[tokio::test]
async fn a_failure_names_code_and_last_words() {
    let bench = Bench::new();
    let end = bench.end(Bench::job("shell", sh("echo no such disk >&2; exit 5"), "{}")).await;
    assert_eq!(told(&end.result), "EXIT: exit code 5: no such disk");
    assert_eq!(end.result.unwrap_err().code, Some(5));
    assert_eq!(bench.run("shell", sh("kill -9 $$"), "{}").await, "EXIT: killed by signal 9");
    let said = bench.run("shell", json!({"command": ["no-such-program"]}), "{}").await;
    assert!(said.starts_with("SPAWN: program `no-such-program` was not found"), "{said}");
    let said = bench.run("shell", with(sh("true"), json!({"cwd": "/no/where"})), "{}").await;
    assert!(said.starts_with("SPAWN: folder /no/where can't be used: No such file"), "{said}");
    let said = bench.run("shell", json!({"command": ["echo", null]}), "{}").await;
    assert_eq!(said, "CONFIG: `command[1]` is null, but must be a text");
}

#[tokio::test]
async fn hostile_values_arrive_byte_for_byte_in_every_slot() {
    let bench = Bench::new();
    for hostile in [
        "$(touch pwned)",
        "`touch pwned`; touch pwned & | > pwned",
        "a\nb\r\n\tc",
        "{{ 7 * 7 }}",
        "-rf --help",
        "\u{1b}[31m\u{202e}\u{feff}",
        "' \" \\ %s $HOME * ? ~",
        "",
        "é\u{1f600}",
    ] {
        let config = json!({
            "command": ["sh", "-c", "printf '%s|%s|' \"$1\" \"$V\"; cat", "sh", hostile],
            "env": {"V": hostile},
            "stdin": "TEXT",
            "stdinText": hostile,
        });
        let wanted = json!({"stdout": format!("{hostile}|{hostile}|{hostile}"), "exitCode": 0});
        assert_eq!(bench.run("shell", config, "{}").await, format!("output: {wanted}"));
    }
    let numbers = json!({"command": ["printf", "%s %s %s", 5, true, {"a": [1]}]});
    let wanted = json!({"stdout": "5 true {\"a\":[1]}", "exitCode": 0});
    assert_eq!(bench.run("shell", numbers, "{}").await, format!("output: {wanted}"));
}

#[tokio::test]
async fn the_environment_is_clean_and_says_what_runs() {
    let bench = Bench::new();
    let config =
        json!({"command": ["env"], "env": {"MINE": "1", "A2N_NODE": "fake"}, "output": "LINES"});
    let said = bench.run("shell", config, "{}").await;
    let mut names: Vec<&str> = said
        .split(r#"{"line":""#)
        .skip(1)
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .collect();
    names.retain(|name| *name != "TZ");
    names.sort_unstable();
    let wanted = [
        "A2N_ATTEMPT",
        "A2N_EXECUTION_ID",
        "A2N_IDEMPOTENCY_KEY",
        "A2N_NODE",
        "A2N_OUTPUT",
        "A2N_PROGRESS",
        "A2N_WORKFLOW",
        "CREDENTIALS_DIRECTORY",
        "HOME",
        "LANG",
        "LOGNAME",
        "MINE",
        "PATH",
        "SHELL",
        "USER",
    ];
    assert_eq!(names, wanted);
    assert!(said.contains("A2N_NODE=step") && said.contains("A2N_IDEMPOTENCY_KEY=key-1"), "{said}");
    let said = bench.run("shell", sh("pwd; test -d \"$CREDENTIALS_DIRECTORY\""), "{}").await;
    let home = System::real().process.account().home.clone();
    assert_eq!(
        said,
        format!("output: {}", json!({"stdout": format!("{}\n", home.display()), "exitCode": 0}))
    );
}

#[tokio::test]
async fn the_item_comes_by_stdin_and_items_go_by_file() {
    let bench = Bench::new();
    let config = with(sh("cat"), json!({"stdin": "ITEM", "output": "JSON"}));
    let item = r#"{"n":123456789012345678901234567890}"#;
    assert_eq!(bench.run("shell", config, item).await, format!("output: {item}"));
    let script = r#"echo log; echo '{"a":1.0}' > "$A2N_OUTPUT"; echo 2 >> "$A2N_OUTPUT""#;
    assert_eq!(bench.run("shell", sh(script), "{}").await, r#"output: {"a":1.0} 2"#);
    let said = bench.run("shell", sh("echo 1 > $A2N_OUTPUT; echo '{' >> $A2N_OUTPUT"), "{}").await;
    assert_eq!(said, "PARSE: A2N_OUTPUT line 2 column 1: EOF while parsing an object");
}

#[tokio::test]
async fn a_script_runs_by_its_interpreter() {
    let bench = Bench::new();
    let config = json!({"script": "echo \"$0\" | grep -c /script\necho $V", "env": {"V": "x"}, "output": "LINES"});
    assert_eq!(bench.run("shell", config, "{}").await, r#"output: {"line":"1"} {"line":"x"}"#);
    let config = json!({"script": "echo a\nfalse\necho b", "interpreter": ["sh", "-e"]});
    assert_eq!(bench.run("shell", config, "{}").await, "EXIT: exit code 1");
}

#[tokio::test]
async fn progress_is_told() {
    let bench = Bench::new();
    let script =
        "echo 40 copying > $A2N_PROGRESS; echo 250% > $A2N_PROGRESS; echo x > $A2N_PROGRESS";
    bench.run("shell", sh(script), "{}").await;
    assert_eq!(bench.ears.heard(), ["40% copying", "100% "]);
}

#[tokio::test]
async fn a_cancel_ends_everything_that_was_started() {
    let bench = Bench::new();
    // Neither the shell nor its child heed TERM.
    let script =
        "trap '' TERM; sh -c \"trap '' TERM; while :; do sleep 60; done\" & echo $! $$; wait";
    let (ears, stop) = (std::sync::Arc::clone(&bench.ears), bench.stop.clone());
    tokio::spawn(async move {
        ears.spoke.notified().await;
        stop.cancel();
    });
    let end = bench.end(Bench::job("shell", sh(script), "{}")).await;
    assert_eq!(told(&end.result), "CANCELLED: cancelled while it ran");
    assert_eq!(value(&end.measured, "step.exit_code"), 137.0);
    let heard = bench.ears.heard();
    for pid in heard[0].split_ascii_whitespace().skip(1) {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{pid} lives: {stat}");
    }
    assert!(std::fs::read_dir(bench.folder.path().join("steps")).unwrap().next().is_none());
}

#[tokio::test]
async fn a_time_out_ends_a_process() {
    let bench = Bench::new();
    let mut job = Bench::job("shell", sh("exec sleep 60"), "{}");
    job.timeout = Some(Duration::from_millis(50));
    let end = bench.end(job).await;
    assert_eq!(told(&end.result), "TIMEOUT: took longer than 50 ms");
}

#[tokio::test]
async fn much_output_and_odd_bytes_are_survived_and_said() {
    let bench = Bench::with(System::real(), |settings| {
        settings.max_output_bytes = 1000;
        settings.max_text_bytes = 1000;
    });
    let script = "head -c 5000000 /dev/zero | tr '\\0' x; printf '\\377\\n'";
    let said = bench.run("shell", sh(script), "{}").await;
    let wanted = json!({"stdout": "x".repeat(1000), "exitCode": 0, "truncated": true});
    assert_eq!(said, format!("output: {wanted}"));
    let heard = bench.ears.heard();
    let logged: usize =
        heard.iter().filter(|l| l.starts_with("out ")).map(|l| l.matches('x').count()).sum();
    assert_eq!(logged, 5_000_000);
    let warned: Vec<&String> = heard.iter().filter(|l| l.starts_with("- ")).collect();
    assert_eq!(
        warned,
        [
            "- output was not UTF-8: its odd bytes are shown as \u{fffd}",
            "- only the first 1000 bytes of stdout are kept for the result",
        ]
    );
    let said = bench.run("shell", with(sh("seq 9999"), json!({"output": "LINES"})), "{}").await;
    assert_eq!(said, "TOO_LARGE: stdout is longer than the 1000 bytes that may become items");
}

#[tokio::test]
async fn a_log_ends_where_its_room_does_and_says_so() {
    let bench = Bench::with(System::real(), |settings| {
        settings.max_log_bytes = 1000;
        settings.max_line_bytes = 100;
    });
    let script =
        "head -c 250 /dev/zero | tr '\\0' x; echo; yes | head -n 9999; echo last >&2; exit 3";
    let said = bench.run("shell", with(sh(script), json!({"output": "NONE"})), "{}").await;
    assert_eq!(said, "EXIT: exit code 3: last");
    let heard = bench.ears.heard();
    let logged: usize = heard.iter().filter_map(|l| l.strip_prefix("out ")).map(str::len).sum();
    assert!((500..1100).contains(&logged), "{logged} bytes are logged");
    assert!(heard[0].ends_with(" […]") && heard[0].len() < 120, "{}", heard[0]);
    let marks: Vec<_> = heard.iter().filter(|l| l.contains("cut off here")).collect();
    assert_eq!(marks.len(), 1, "{heard:?}");
    assert!(heard.last().unwrap().contains("cut off here"), "{heard:?}");
}

#[tokio::test]
async fn the_childs_arguments_are_those_given_byte_for_byte() {
    let bench = Bench::new();
    let hostile = [
        "--upload-pack=touch pwned",
        "; touch pwned",
        "$(touch pwned)",
        "a\nb",
        "",
        "-",
        "--",
        "\u{1b}]0;x\u{7}",
        "*",
        "~root",
        "\\0",
    ];
    let mut argv = vec!["sh", "-c", "tr '\\0' '\\1' < /proc/$$/cmdline; true", "sh"];
    argv.extend(hostile);
    let said = bench.run("shell", json!({"command": argv}), "{}").await;
    let wanted: String = argv.iter().map(|piece| format!("{piece}\u{1}")).collect();
    assert_eq!(said, format!("output: {}", json!({"stdout": wanted, "exitCode": 0})));
    for slot in ["command", "env", "cwd", "stdinText"] {
        let mut config = with(sh("cat"), json!({"stdin": "TEXT", "env": {"A": "b"}}));
        match slot {
            "command" => config["command"][1] = json!("-c\0x"),
            "env" => config["env"]["A"] = json!("b\0c"),
            other => config[other] = json!("d\0e"),
        }
        let said = bench.run("shell", config, "{}").await;
        match slot {
            // Bytes on a pipe may be any.
            "stdinText" => assert!(said.contains("d\\u0000e"), "{said}"),
            _ => assert!(said.starts_with("SPAWN: "), "{slot}: {said}"),
        }
    }
    let odd = with(sh("true"), json!({"env": {"A=B": "c"}}));
    assert_eq!(
        bench.run("shell", odd, "{}").await,
        "CONFIG: `env`: `A=B` is not the name of an environment variable; a name has at least one character, and neither = nor a NUL character"
    );
    let never = with(sh("true"), json!({"successCodes": [0, 256]}));
    assert_eq!(
        bench.run("shell", never, "{}").await,
        "CONFIG: `successCodes[1]` is 256, but must be an exit code from 0 to 255"
    );
}

#[tokio::test]
async fn another_user_is_refused() {
    let bench = Bench::new();
    let mut job = Bench::job("shell", sh("true"), "{}");
    job.run_as = Some("somebody-else".into());
    let said = told(&bench.end(job).await.result);
    assert!(said.starts_with("RUN_AS: can't run as `somebody-else`"), "{said}");
}

#[test]
fn what_excludes_each_other_is_found_when_saved() {
    let faults =
        |config: Value| check(&config).into_iter().map(|(at, ..)| at).collect::<Vec<_>>().join(" ");
    assert_eq!(faults(json!({})), "command");
    assert_eq!(faults(json!({"command": ["a"], "script": "b"})), "script");
    assert_eq!(faults(json!({"command": ["a"], "interpreter": "sh"})), "interpreter");
    assert_eq!(faults(json!({"command": ["a"], "stdinText": "x"})), "stdinText");
    assert_eq!(faults(json!({"script": "a", "stdin": "TEXT", "stdinText": "x"})), "");
    assert_eq!(faults(json!({"script": "a", "stdin": "TEXT"})), "stdinText");
    assert_eq!(faults(json!({"command": ["", "a\0b", "{{ x }}"]})), "command[0] command[1]");
    assert_eq!(faults(json!({"script": "a", "columns": ["a", "b", "a"]})), "columns columns[2]");
    assert_eq!(faults(json!({"script": "a", "output": "TABLE", "columns": ["a", "b"]})), "");
    assert_eq!(faults(json!({"script": "a", "output": "{{ x }}", "columns": "{{ y }}"})), "");
    assert_eq!(faults(json!({"script": "a", "env": {"A": "x", "a.b": "y"}})), "");
    assert_eq!(
        faults(json!({"script": "a", "env": {"": "x", "A=B": "y", "C\0": "z"}})),
        "env env env"
    );
    assert_eq!(faults(json!({"script": "a", "env": "{{ vars.env }}"})), "");
}

#[test]
fn exit_codes_that_no_process_has_are_found_when_saved() {
    let schema = jsonschema::draft202012::new(&definition().settings_schema).unwrap();
    let takes = |code: Value| schema.is_valid(&json!({"script": "a", "successCodes": [code]}));
    assert!(takes(json!(0)) && takes(json!(255)) && takes(json!("{{ vars.code }}")));
    assert!(!takes(json!(256)) && !takes(json!(-1)) && !takes(json!("256")));
}
