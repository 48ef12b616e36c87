//! The environment of a process: clean, then the user's, then the configuration's, then A2N's.

use std::collections::BTreeMap;
use std::path::Path;

use crate::engine::job::Job;
use crate::system::process::Account;

/// How a variable may be called: the environment is a list of `NAME=value`.
pub(super) const NAMES: &str =
    "a name has at least one character, and neither = nor a NUL character";

/// What is wrong with the name of a variable; none where it can be one.
pub(super) fn not_a_name(name: &str) -> Option<String> {
    let shown = || name.escape_debug().take(80).collect::<String>();
    let is_one = !name.is_empty() && !name.contains(['=', '\0']);
    (!is_one).then(|| format!("`{}` is not the name of an environment variable", shown()))
}

/// Builds it. A2N's own names come last, so that a configuration can't pretend.
pub(super) fn environment(
    account: &Account,
    path: &str,
    configured: Vec<(String, String)>,
    job: &Job,
    folder: &Path,
) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let mut put = |name: &str, value: String| drop(env.insert(name.to_owned(), value));
    put("PATH", path.to_owned());
    put("HOME", account.home.to_string_lossy().into_owned());
    put("USER", account.name.clone());
    put("LOGNAME", account.name.clone());
    put("SHELL", account.shell.clone());
    put("LANG", account.lang.clone());
    if let Some(tz) = &account.tz {
        put("TZ", tz.clone());
    }
    for (name, value) in configured {
        put(&name, value);
    }
    let inside = |name: &str| folder.join(name).to_string_lossy().into_owned();
    put("A2N_EXECUTION_ID", job.key.execution.to_string());
    put("A2N_WORKFLOW", job.workflow.clone());
    put("A2N_NODE", job.key.node.clone());
    put("A2N_ATTEMPT", job.key.attempt.to_string());
    put("A2N_IDEMPOTENCY_KEY", job.idempotency_key.clone());
    put("A2N_OUTPUT", inside("output"));
    put("A2N_PROGRESS", inside("progress"));
    put("CREDENTIALS_DIRECTORY", inside("credentials"));
    env
}
