//! `auditLog.*`: who changed what, in a chain that shows tampering.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, List as Listing, Match, Page};
use crate::identity::Role;
use crate::system::AuditLog;
use crate::{Timestamp, UserId};

methods! {
    /// Lists audit rows, newest first.
    List = "auditLog.list", Read, Access::Role(Role::Admin),
    Listing<Filter> => Page<AuditLog>,
    example {"filter": {"resource": "workflow", "timestamp": {"gte": "2026-11-22T00:00:00Z"}}};

    /// Checks that no audit row was changed, removed or reordered.
    Verify = "auditLog.verify", Read, Access::Role(Role::Admin),
    VerifyParams => VerifyAnswer,
    example {}
    => {"ok": true, "rows": 1234, "from": 1, "to": 1234, "problems": []};
}

/// Which rows a list has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "AuditLogFilter")]
pub struct Filter {
    /// By what was done.
    pub action: Option<Match<String>>,
    /// By entity.
    pub resource: Option<Match<String>>,
    /// By the entity's id.
    pub resource_id: Option<Match<String>>,
    /// By who did it.
    pub user_id: Option<Match<UserId>>,
    /// By when.
    pub timestamp: Option<Match<Timestamp>>,
    /// By number.
    pub seq: Option<Match<u64>>,
}

/// Which part of the chain; all of it where absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "AuditLogVerifyParams")]
pub struct VerifyParams {
    /// From this number.
    pub from: Option<u64>,
    /// Up to and with this number.
    pub to: Option<u64>,
}

/// What the chain shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuditLogVerifyAnswer")]
pub struct VerifyAnswer {
    /// Whether every row is in its place and unchanged.
    pub ok: bool,
    /// How many rows were read.
    pub rows: u64,
    /// The first number read; 0 where there is none.
    pub from: u64,
    /// The last number read; 0 where there is none.
    pub to: u64,
    /// What is wrong.
    pub problems: Vec<ChainProblem>,
}

/// A link of the chain that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainProblem {
    /// The row's number.
    pub seq: u64,
    /// A stable name: `CHANGED`, `MISSING`, `REORDERED`, `UNREADABLE`.
    pub code: String,
    /// What is wrong, in one sentence.
    pub message: String,
}
