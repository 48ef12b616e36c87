//! The folder of an attempt: script, pipes, credentials. Whoever runs the attempt makes and removes
//! it; what a `kill -9` or a power cut of the daemon left is removed at the next start.

use std::path::{Path, PathBuf};

use crate::nodes::context::Context;
use crate::system::System;
use crate::system::disk::{Disk, RealDisk};

pub(super) fn attempt_folder(context: &Context) -> PathBuf {
    let key = &context.job.key;
    let item = key.item.map_or_else(|| "all".to_owned(), |item| item.to_string());
    let name = format!("{}-{}-{}-{item}-{}", key.execution, key.node, key.iteration, key.attempt);
    context.settings.steps_folder.join(name)
}

/// Whether a name is one that [`attempt_folder`] gives: it begins with an execution's id and ends
/// with an item and an attempt.
fn is_attempt_folder(name: &str) -> bool {
    let Some((id, rest)) = name.split_at_checked(36) else { return false };
    let mut parts = rest.rsplit('-');
    let is_number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u64>().is_ok());
    let attempt = is_number(parts.next());
    let item = parts.next();
    id.parse::<a2n_proto::ExecutionId>().is_ok()
        && rest.starts_with('-')
        && attempt
        && (item == Some("all") || is_number(item))
}

/// Removes what attempts left behind that a `kill -9` or a power cut of the daemon broke off. Only
/// for a start: no attempt may be alive.
pub(in crate::nodes) async fn remove_left_folders(system: &System, steps_folder: &Path) {
    // None is there before the first step.
    let Ok(names) = RealDisk.list(steps_folder) else { return };
    let mut removed = 0_u64;
    for name in names.iter().filter(|name| is_attempt_folder(name)) {
        let folder = steps_folder.join(name);
        match system.files.remove_folder(&folder).await {
            Ok(()) => removed += 1,
            Err(e) => {
                tracing::warn!(folder = %folder.display(), error = %e, "left step folder not removed");
            }
        }
    }
    if removed > 0 {
        tracing::info!(removed, "step folders of attempts that were broken off removed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_folders_are_taken_for_left_ones() {
        let id = "019a0000-0000-7000-8000-000000000001";
        for name in ["-step--all-1", "-a-b-c-1.2-17-3"] {
            assert!(is_attempt_folder(&format!("{id}{name}")), "{name}");
        }
        for name in ["", "-step--all", "-step--some-1", "step--all-1"] {
            assert!(!is_attempt_folder(&format!("{id}{name}")), "{name}");
        }
        assert!(!is_attempt_folder("somebody-elses-all-1"));
    }
}
