//! `account.*`: the ways in of users. They are made and removed by `auth.link` and `auth.unlink`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, List as Listing, Match, Page};
use crate::UserId;
use crate::identity::Account;

methods! {
    /// Lists links to outside identities; a USER sees their own.
    List = "account.list", Read, Access::Account,
    Listing<Filter> => Page<Account>,
    example {"filter": {"providerId": "unix"}};
}

/// Which accounts a list has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "AccountFilter")]
pub struct Filter {
    /// By user.
    pub user_id: Option<Match<UserId>>,
    /// By provider.
    pub provider_id: Option<Match<String>>,
    /// By what the provider calls them: the uid for `unix`.
    pub account_id: Option<Match<String>>,
}
