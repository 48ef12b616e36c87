//! `event.*`: the inbox of things that happened.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, List as Listing, Match, Page};
use crate::event::Event;
use crate::{Json, Timestamp, UserId};

methods! {
    /// Says that something happened: it is stored, numbered, and seen by all who wait for it.
    Emit = "event.emit", Write, Access::Account,
    EmitParams => Event,
    example {"eventType": "backup.done", "source": "nas", "data": {"files": 41}};

    /// Lists events that the caller may see, without their data.
    List = "event.list", Read, Access::Account,
    Listing<Filter> => Page<Event>,
    example {"filter": {"eventType": "backup.done"}};

    /// Gives one event with its data.
    Get = "event.get", Read, Access::Account,
    One => Event,
    example {"seq": 17};
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "EventEmitParams")]
pub struct EmitParams {
    /// What sort of thing: letters, digits, `.`, `_`, `:` and `-`, for example `backup.done`.
    pub event_type: String,
    /// Where it happened; the caller's name where absent.
    pub source: Option<String>,
    /// What there is to know about it; `{}` where absent.
    pub data: Option<Json>,
    /// Whether the workflows of all users see it; else those of the caller, of ADMIN and OWNER.
    pub shared: Option<bool>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// Which events a list has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "EventFilter")]
pub struct Filter {
    /// By sort.
    pub event_type: Option<Match<String>>,
    /// By where it happened.
    pub source: Option<Match<String>>,
    /// By when it was stored.
    pub at: Option<Match<Timestamp>>,
    /// By whose it is.
    pub user_id: Option<Match<UserId>>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "EventOne")]
pub struct One {
    /// By number.
    pub seq: u64,
}
