//! `systemLog.*`: the daemon's own records.

use a2n_proto::api::system_log::Query;

use super::super::{Context, Registry};
use crate::operations::logbook;

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<Query, _>(|context, _, params| async move {
        let logs = context.system_logs.clone();
        tokio::task::spawn_blocking(move || logbook::query(&logs, params))
            .await
            .map_err(|_| super::panicked("the log"))?
            .map_err(Into::into)
    });
}
