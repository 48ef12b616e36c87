//! `systemLog.query` as a function.

use a2n_proto::api::Page;
use a2n_proto::api::system_log::QueryParams;
use a2n_proto::system::SystemLog;

use crate::store::logs::{Error, SystemLogs, SystemQuery};

/// One page of the daemon's own records, newest first. Reads files, so an async caller lends it a
/// thread that may block.
pub fn query(logs: &SystemLogs, params: QueryParams) -> Result<Page<SystemLog>, Error> {
    let limit = params.limit.unwrap_or(50).clamp(1, 1_000) as usize;
    let query = SystemQuery {
        level: params.level,
        text: params.text,
        from: params.from,
        to: params.to,
        cursor: params.cursor,
    };
    let (items, next_cursor) = logs.query(&query, limit)?;
    Ok(Page { items, next_cursor })
}
