//! Where things are, what wins, what is told about mistakes.

use super::*;
use crate::operations::settings::{Settings, table};

fn run(arguments: &[&str], variables: &[(&str, &str)], host: &Host) -> Result<Asked, Error> {
    let arguments = ["a2nd"].iter().chain(arguments).map(OsString::from);
    let environment =
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    read_from(arguments, environment, host, Zone::utc())
}

#[track_caller]
fn config(arguments: &[&str], variables: &[(&str, &str)], host: &Host) -> Config {
    match run(arguments, variables, host).unwrap() {
        Asked::Run(config) | Asked::Check(config) => *config,
        Asked::Print(text) => panic!("{text}"),
    }
}

#[test]
fn a_user_daemon_lives_below_the_state_folder() {
    let host = Host { home: Some("/home/ada".into()), lingers: false };
    let found = config(&[], &[("XDG_RUNTIME_DIR", "/tmp")], &host);
    assert_eq!(found.mode, Mode::User);
    assert_eq!(found.data_dir, Path::new("/home/ada/.local/state/a2n"));
    assert_eq!(found.socket, Path::new("/home/ada/.local/state/a2n/run/a2nd.sock"));
    let found = config(&[], &[("HOME", "/h"), ("XDG_STATE_HOME", "/state")], &host);
    assert_eq!(found.data_dir, Path::new("/state/a2n"));
    assert_eq!(found.store_dir(), Path::new("/state/a2n/store"));
    let lingers = Host { lingers: true, ..host };
    let found = config(&[], &[("XDG_RUNTIME_DIR", "/tmp")], &lingers);
    assert_eq!(found.socket, Path::new("/tmp/a2n/a2nd.sock"));
}

#[test]
fn an_argument_wins_over_its_variable_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a2nd.toml");
    std::fs::write(
        &file,
        "dataDir = \"/from/file\"\nsocket = \"/file.sock\"\n\n[rpc]\nmaxBatch = 7\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let found = config(
        &["--system", "--config", file, "--socket", "/argument.sock"],
        &[("A2N_SOCKET", "/variable.sock"), ("A2N_CONFIG", "/not/there")],
        &Host::default(),
    );
    assert_eq!(found.mode, Mode::System);
    assert_eq!(found.socket, Path::new("/argument.sock"));
    assert_eq!(found.data_dir, Path::new("/from/file"));
    assert_eq!(Settings::new(found.layers).get(&table::RPC_MAX_BATCH), 7);
    let found = config(
        &["--system"],
        &[
            ("A2N_CONFIG", file),
            ("A2N_DATA_DIR", "/from/variable"),
            ("A2N_SETTING__RPC__MAX_BATCH", "9"),
        ],
        &Host::default(),
    );
    assert_eq!(found.data_dir, Path::new("/from/variable"));
    assert_eq!(Settings::new(found.layers).get(&table::RPC_MAX_BATCH), 9);
}

#[test]
fn everything_wrong_is_told_at_once_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a2nd.toml");
    std::fs::write(
        &file,
        "dataDirr = \"/x\"\n[rpc]\nmaxBatch = \"many\"\nmaxBatsh = 3\n\n[retentoin]\nx = 1\n",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let error = run(
        &["--system", "--config", path],
        &[("A2N_SETTING__LOG__LEVEL", "LOUD")],
        &Host::default(),
    )
    .unwrap_err();
    assert_eq!(error.exit_code(), 78);
    let told = error.to_string().replace(path, "F");
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "environment: log.level must be one of ERROR, WARN, INFO, DEBUG, TRACE, not \"LOUD\" (the default is \"INFO\")",
            "F:1: there is no setting `dataDirr` (did you mean dataDir?)",
            "F:3: rpc.maxBatch must be a whole number from 1 to 10000 (calls), not \"many\" (the default is 100)",
            "F:4: there is no setting `rpc.maxBatsh` (did you mean rpc.maxBatch?)",
            "F:6: there is no setting `retentoin` (did you mean retention?)",
        ]
    );
    std::fs::write(&file, "[rpc]\nmaxBatch = = 3\n").unwrap();
    let error = run(&["--system", "--config", path], &[], &Host::default()).unwrap_err();
    assert!(error.to_string().contains("a2nd.toml:2: "), "{error}");
}

#[test]
fn a_named_file_must_be_there_and_the_default_one_need_not() {
    let host = Host { home: Some("/nonexistent".into()), lingers: false };
    assert_eq!(config(&[], &[], &host).file, None);
    let error = run(&["--config", "/nonexistent.toml"], &[], &host).unwrap_err();
    assert_eq!(error.exit_code(), 78);
    assert!(error.to_string().starts_with("/nonexistent.toml: "), "{error}");
}

#[test]
fn usage_errors_are_two_and_help_is_no_error() {
    let error = run(&["--user", "--system"], &[], &Host::default()).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let Asked::Print(help) = run(&["--help"], &[], &Host::default()).unwrap() else {
        panic!("help is printed")
    };
    assert!(help.contains("--check-config") && help.contains("A2N_DATA_DIR"), "{help}");
    let environment = [("A2N_SETTING__RPC__MAX_BATCH", "9"), ("A2N_DATA_DIR", "/data")];
    let asked = run(&["--system", "--check-config"], &environment, &Host::default()).unwrap();
    let Asked::Check(config) = asked else { panic!("it is only checked") };
    let told = config.summary();
    for line in
        ["mode        system", "data folder /data", "setting     rpc.maxBatch = 9 (environment)"]
    {
        assert!(told.lines().any(|told| told == line), "{line} is missing in\n{told}");
    }
    let long = format!("/{}", "x".repeat(200));
    let error = run(&["--system", "--socket", &long], &[], &Host::default()).unwrap_err();
    assert_eq!(error.exit_code(), 78);
    assert!(error.to_string().starts_with("socket: "), "{error}");
}
