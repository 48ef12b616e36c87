//! What the daemon does by itself: it takes up what had not ended, fires schedules and lets go of what
//! is old. In safe mode it does none of that before a person says so.

use std::sync::Arc;

use super::NotStarted;
use super::crashes::Crashes;
use super::rules::Rules;
use super::schedules::Arming;
use super::spawn_until_stop;
use crate::engine::driving::handle::{self, Engine};
use crate::engine::driving::plans::Plans;
use crate::engine::driving::recover;
use crate::engine::driving::safe_mode::SafeMode;
use crate::engine::driving::stuck::Stuck;
use crate::operations::retention::Cleaner;
use crate::store::Store;
use crate::tasks::{OnEnd, Tasks};
use crate::triggers::service::Service;

/// All of it, before it begins.
pub(super) struct Work {
    pub(super) store: Store,
    pub(super) plans: Arc<Plans>,
    pub(super) engine: Engine,
    pub(super) stuck: Stuck,
    pub(super) schedules: Service,
    pub(super) arming: Arming,
    pub(super) rules: Rules,
    pub(super) cleaner: Cleaner,
}

impl Work {
    /// Begins at once, or when safe mode is left.
    pub(super) async fn begin(
        self,
        tasks: &Tasks,
        safe_mode: SafeMode,
        crashes: Crashes,
    ) -> Result<(), NotStarted> {
        if safe_mode.why().is_none() {
            let done = self.take_up(tasks).await;
            return done
                .map_err(|error| NotStarted::later("executions not taken up again", &error));
        }
        let all = tasks.clone();
        tasks.spawn("safe mode", OnEnd::Ignore, async move {
            let stop = all.stop_token();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = safe_mode.wanted_off() => {}
            }
            crashes.forget();
            match self.take_up(&all).await {
                Ok(()) => {
                    tracing::info!("safe mode left");
                    safe_mode.end();
                }
                Err(error) => {
                    tracing::error!(%error, "executions not taken up again");
                    stop.cancel();
                }
            }
        });
        Ok(())
    }

    async fn take_up(self, tasks: &Tasks) -> Result<(), handle::Error> {
        let live = recover::recover(&self.store, &self.plans, &self.engine, &self.stuck).await?;
        if live > 0 {
            tracing::info!(live, "executions taken up again");
        }
        let stop = tasks.stop_token();
        tasks.spawn("schedules", OnEnd::StopDaemon, self.schedules.run(stop.clone()));
        spawn_until_stop(tasks, "arming", self.arming.run());
        spawn_until_stop(tasks, "rules", self.rules.run());
        tasks.spawn("cleaner", OnEnd::StopDaemon, self.cleaner.run(stop));
        Ok(())
    }
}
