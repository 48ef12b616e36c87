//! `systemLog.*`: the daemon's own log records.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, Page};
use crate::Timestamp;
use crate::execution::LogLevel;
use crate::identity::Role;
use crate::system::SystemLog;

methods! {
    /// Reads the daemon's own log records, newest first.
    Query = "systemLog.query", Read, Access::Role(Role::Admin),
    QueryParams => Page<SystemLog>,
    example {"level": "WARN", "limit": 20};
}

/// Which records.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "SystemLogQueryParams")]
pub struct QueryParams {
    /// At least this level.
    pub level: Option<LogLevel>,
    /// With these words.
    pub text: Option<String>,
    /// From this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
    /// Where the page before ended: its `nextCursor`.
    pub cursor: Option<String>,
    /// How many at most; 50 where absent.
    #[serde(default, deserialize_with = "super::page::how_many")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}
