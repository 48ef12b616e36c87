//! `appSetting.*`: every tunable of the daemon.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, List as Listing, Match, Page};
use crate::identity::Role;
use crate::system::{AppSetting, SettingSource};
use crate::{AppSettingId, Json};

methods! {
    /// Lists settings by key with their values and where those come from.
    List = "appSetting.list", Read, Access::Account,
    Listing<Filter> => Page<AppSetting>,
    example {"filter": {"category": "retention"}};

    /// Gives one setting with its value and where that comes from.
    Get = "appSetting.get", Read, Access::Account,
    One => AppSetting,
    example {"key": "retention.successDays"};

    /// Sets a value in the store; it holds where neither environment nor file says otherwise.
    Set = "appSetting.set", Write, Access::Role(Role::Admin),
    SetParams => AppSetting,
    example {"key": "retention.successDays", "value": 30};

    /// Takes the store's value away, so that the file's or the default holds again.
    Reset = "appSetting.reset", Write, Access::Role(Role::Admin),
    ResetParams => AppSetting,
    example {"key": "retention.successDays"};
}

/// Which settings a list has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "AppSettingFilter")]
pub struct Filter {
    /// By key.
    pub key: Option<Match<String>>,
    /// By category.
    pub category: Option<Match<String>>,
    /// By where the value comes from.
    pub source: Option<Match<SettingSource>>,
    /// Searches key and description.
    pub text: Option<String>,
}

/// One setting.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "AppSettingOne")]
pub struct One {
    /// By key.
    pub key: Option<String>,
    /// By id.
    pub id: Option<AppSettingId>,
}

/// What to set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "AppSettingSetParams")]
pub struct SetParams {
    /// Which.
    pub key: String,
    /// To what.
    pub value: Json,
    /// Refused where the setting is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What to take back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "AppSettingResetParams")]
pub struct ResetParams {
    /// Which.
    pub key: String,
    /// Refused where the setting is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}
