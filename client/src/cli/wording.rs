//! Names of methods in what the daemon says, as the commands that do the same.
//!
//! The daemon speaks to every client; who types commands is told commands.

use a2n_proto::api;

/// A method, and the command for it.
const COMMANDS: [(&str, &str); 13] = [
    ("appSetting.list", "a2n settings ls"),
    ("auditLog.list", "a2n audit list"),
    ("execution.list", "a2n ps -a"),
    ("execution.wait", "a2n run --wait"),
    ("executionNodeState.list", "a2n show EXEC"),
    ("nodeDefinition.list", "a2n node ls"),
    ("rpc.discover", "a2n rpc rpc.discover"),
    ("workflow.get", "a2n ls"),
    ("workflow.list", "a2n ls"),
    ("workflow.publish", "a2n publish NAME"),
    ("workflow.validate", "a2n validate -f FILE"),
    ("workflowTrigger.list", "a2n trigger ls"),
    ("workflowVersion.list", "a2n versions NAME"),
];

/// A text of the daemon's with commands where it names methods in backticks.
pub(super) fn for_people(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for (n, part) in text.split('`').enumerate() {
        if n > 0 {
            told.push('`');
        }
        // Every other part stands between backticks.
        match command(part).filter(|_| n % 2 == 1) {
            Some(command) => told.push_str(&command),
            None => told.push_str(part),
        }
    }
    told
}

fn command(word: &str) -> Option<String> {
    if let Some((_, command)) = COMMANDS.iter().find(|(method, _)| *method == word) {
        return Some((*command).to_owned());
    }
    // Keys of settings look the same.
    api::find(word).map(|_| format!("a2n rpc {word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_told_as_commands() {
        for (said, told) in [
            ("`workflow.list` shows what you may see", "`a2n ls` shows what you may see"),
            ("delete it with `workflow.delete`", "delete it with `a2n rpc workflow.delete`"),
            (
                "lower `store.minFreeBytes`; see `a2n health`",
                "lower `store.minFreeBytes`; see `a2n health`",
            ),
            ("workflow.list is a method", "workflow.list is a method"),
            ("no workflow `workflow", "no workflow `workflow"),
        ] {
            assert_eq!(for_people(said), told);
        }
        for (method, _) in COMMANDS {
            assert!(api::find(method).is_some(), "there is no {method}");
        }
    }
}
