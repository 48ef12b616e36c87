//! `user.*`: people and services that own things.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, Deleted, List as Listing, Match, Page};
use crate::identity::{Role, User, UserStatus};
use crate::{Json, UserId};

methods! {
    /// Lists people and services; a USER sees nobody but themselves.
    List = "user.list", Read, Access::Account,
    Listing<Filter> => Page<User>,
    example {"filter": {"role": "ADMIN"}};

    /// Gives one user; a USER sees nobody but themselves.
    Get = "user.get", Read, Access::Account,
    One => User,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"};

    /// Makes a user, together with the link to a user of the operating system where one is named.
    Create = "user.create", Write, Access::Role(Role::Admin),
    CreateParams => User,
    example {"name": "bob", "role": "USER", "uid": 1001};

    /// Changes a user's name, email, image, role or status.
    Update = "user.update", Write, Access::Role(Role::Admin),
    UpdateParams => User,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "patch": {"status": "SUSPENDED"}};

    /// Anonymises a user, unlinks all their ways in and archives their workflows.
    Delete = "user.delete", Write, Access::Role(Role::Admin),
    DeleteParams => Deleted,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"};
}

/// Which users a list has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "UserFilter")]
pub struct Filter {
    /// By role.
    pub role: Option<Match<Role>>,
    /// By whether they are let in.
    pub status: Option<Match<UserStatus>>,
    /// By name.
    pub name: Option<Match<String>>,
    /// By email.
    pub email: Option<Match<String>>,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "UserOne")]
pub struct One {
    /// By id.
    pub id: UserId,
}

/// Who is to be known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "UserCreateParams")]
pub struct CreateParams {
    /// What people call them.
    pub name: String,
    /// Unique, whatever the case.
    pub email: Option<String>,
    /// What they may do; USER where absent.
    pub role: Option<Role>,
    /// The user of the operating system that acts as them, as with `auth.link`.
    pub uid: Option<u32>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What to change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "UserUpdateParams")]
pub struct UpdateParams {
    /// Whom.
    pub id: UserId,
    /// Members to change: name, email, image, role, status.
    pub patch: Json,
    /// Refused where the user is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// Who is to go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "UserDeleteParams")]
pub struct DeleteParams {
    /// Whom.
    pub id: UserId,
    /// Refused where the user is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}
