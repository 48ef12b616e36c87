//! `auth.*`: who is calling, and which outside identities act as whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, Deleted, Nothing};
use crate::UserId;
use crate::identity::{Account, Role};

methods! {
    /// Says as whom the caller acts, and by which way in.
    Whoami = "auth.whoami", Read, Access::Open,
    Nothing => WhoamiAnswer,
    example {}
    => {
        "user": {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "name": "alice", "role": "OWNER"},
        "via": "UNIX", "uid": 1000
    };

    /// Lets an outside identity act as a user: `unix` and a uid.
    Link = "auth.link", Write, Access::Role(Role::Admin),
    LinkParams => Account,
    example {
        "provider": "unix", "accountId": "1001", "userId": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"
    };

    /// Takes an outside identity's way in back; the last one of a user stays.
    Unlink = "auth.unlink", Write, Access::Role(Role::Admin),
    UnlinkParams => Deleted,
    example {"provider": "unix", "accountId": "1001"};
}

/// Who is to act as whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "AuthLinkParams")]
pub struct LinkParams {
    /// `unix`.
    pub provider: String,
    /// What the provider calls them: the uid for `unix`.
    pub account_id: String,
    /// → user.
    pub user_id: UserId,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// Which link is to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "AuthUnlinkParams")]
pub struct UnlinkParams {
    /// `unix`.
    pub provider: String,
    /// What the provider calls them: the uid for `unix`.
    pub account_id: String,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// How the caller showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Via {
    /// By the user of the operating system that holds the other end of the socket.
    Unix,
    /// By a session or access token.
    Token,
    /// By an API key.
    ApiKey,
}

/// As whom the caller acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuthWhoamiAnswer")]
pub struct WhoamiAnswer {
    /// `null` where the operating system's user has no account here.
    pub user: Option<WhoamiUser>,
    /// How that was shown.
    pub via: Via,
    /// The operating system's user at the other end of the socket.
    pub uid: Option<u32>,
}

/// The caller's user, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoamiUser {
    /// → user.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: Role,
}
