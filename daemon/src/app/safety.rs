//! What a start makes of how the daemon ended before: which execution it suspects, how many crashes
//! there were lately, and whether it begins in safe mode.

use std::path::PathBuf;
use std::sync::Arc;

use a2n_proto::ExecutionId;

use super::NotStarted;
use super::crashes::Crashes;
use super::opening::RunningMarker;
use crate::config::Config;
use crate::engine::driving::recover;
use crate::engine::driving::safe_mode::SafeMode;
use crate::operations::settings::{Settings, table};
use crate::store::Store;
use crate::system::{FileMark, Mark, NoMark, System};

/// What keeps the daemon from failing again and again.
pub(super) struct Safety {
    pub(super) safe_mode: SafeMode,
    pub(super) crashes: Crashes,
    pub(super) mark: Arc<dyn Mark>,
}

/// Looks back before anything is taken up.
pub(super) async fn look_back(
    config: &Config,
    settings: &Settings,
    store: &Store,
    system: &System,
    marker: &RunningMarker,
) -> Result<Safety, NotStarted> {
    let crashes = Crashes::new(config.crashes_file());
    let (mark, suspect) = mark(config.deciding_file());
    let mut why = config.safe_mode.then(|| "it was started with --safe-mode".to_owned());
    if marker.tells_of_crash() {
        let (n, limit) = (crashes.note(system.now()), settings.get(&table::ENGINE_SAFE_MODE));
        tracing::warn!(crashes = n, "the daemon before this one did not stop in order");
        let found = match suspect {
            Some(id) => count(settings, store, system, id).await?,
            None => false,
        };
        if found {
            // Who made it crash is put aside: there is no reason to be careful any more.
            crashes.forget();
        } else if limit > 0 && n >= limit && why.is_none() {
            why = Some(format!("the daemon crashed {n} times within five minutes"));
        }
    }
    mark.set(None);
    if let Some(why) = &why {
        tracing::error!(why, "safe mode: nothing is started or resumed until `a2n safe-mode off`");
    }
    Ok(Safety { safe_mode: SafeMode::new(why), crashes, mark })
}

/// Whether the execution is put aside now.
async fn count(
    settings: &Settings,
    store: &Store,
    system: &System,
    id: ExecutionId,
) -> Result<bool, NotStarted> {
    let limit = u32::try_from(settings.get(&table::ENGINE_QUARANTINE)).unwrap_or(u32::MAX);
    tracing::warn!(execution_id = %id, "the daemon died while it decided about this execution");
    recover::suspect(store, id, limit, system.now())
        .await
        .map_err(|error| NotStarted::later("a failure of an execution not counted", &error))
}

fn mark(path: PathBuf) -> (Arc<dyn Mark>, Option<ExecutionId>) {
    match FileMark::open(&path) {
        Ok((mark, left)) => (Arc::new(mark), left.map(ExecutionId::from_bytes)),
        Err(error) => {
            let path = path.display();
            tracing::warn!(%error, %path, "which execution the engine works on is not noted");
            (Arc::new(NoMark), None)
        }
    }
}
