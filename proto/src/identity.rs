//! Domain 1: user, session, refreshToken, account, verification.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret_mask::Secret;
use crate::{AccountId, RefreshTokenId, SessionId, Timestamp, UserId, VerificationId};

/// What a user may do, in ascending order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// Their own things, what is shared with them, and what is public.
    User,
    /// Everyone's things, users, settings and the audit log.
    Admin,
    /// All of it, and making other owners; there is always one.
    Owner,
}

impl Role {
    /// Every role, in ascending order.
    pub const ALL: [Self; 3] = [Self::User, Self::Admin, Self::Owner];
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Admin => "ADMIN",
            Self::Owner => "OWNER",
        }
    }
}

/// Whether a user is let in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum UserStatus {
    /// Yes.
    Active,
    /// Not at present.
    Inactive,
    /// Locked out by an administrator, at once.
    Suspended,
    /// Gone; name, email, image and password are anonymised.
    Deleted,
}

/// A person or a service that owns things.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Given by the daemon.
    pub id: UserId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What people call them.
    pub name: String,
    /// Unique, whatever the case; none for one known only by the operating system.
    pub email: Option<String>,
    /// Whether the address was proved.
    pub email_verified: bool,
    /// A picture's address.
    pub image: Option<String>,
    /// An argon2id hash; never leaves the daemon.
    pub password: Option<Secret>,
    /// What they may do.
    pub role: Role,
    /// Whether they are let in.
    pub status: UserStatus,
    /// The same as `status` ACTIVE.
    pub is_active: bool,
    /// When they last signed in.
    pub last_login_at: Option<Timestamp>,
    /// Whether a second factor is asked for.
    pub two_factor_enabled: bool,
    /// Sealed.
    pub two_factor_secret: Option<Secret>,
    /// Workflows made, ever.
    pub workflows_created: u64,
    /// Executions started, ever.
    pub workflows_executed: u64,
}

/// One signed-in client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Given by the daemon.
    pub id: SessionId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The token's hash.
    pub token: Secret,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// The peer's address, or `uid=N pid=M` on the Unix socket.
    pub ip_address: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// → user, cascade.
    pub user_id: UserId,
}

/// A long-lived token that gets new short-lived access tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshToken {
    /// Given by the daemon.
    pub id: RefreshTokenId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Unique.
    pub token_hash: Secret,
    /// All tokens that came out of one sign-in.
    pub family: String,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// The token that took its place.
    pub replaced_by: Option<RefreshTokenId>,
    /// → session, cascade.
    pub session_id: SessionId,
    /// → user.
    pub user_id: UserId,
}

/// A link to an outside identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Given by the daemon.
    pub id: AccountId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// `unix`, `password` or an OpenID Connect issuer.
    pub provider_id: String,
    /// Unique with the provider; the uid for `unix`.
    pub account_id: String,
    /// The login name at the time of linking, for `unix`.
    pub login_name: Option<String>,
    /// Sealed.
    pub access_token: Option<Secret>,
    /// Sealed.
    pub refresh_token: Option<Secret>,
    /// Sealed.
    pub id_token: Option<Secret>,
    /// When the access token ends.
    pub access_token_expires_at: Option<Timestamp>,
    /// When the refresh token ends.
    pub refresh_token_expires_at: Option<Timestamp>,
    /// What the outside lets us do.
    pub scope: Option<String>,
    /// → user, cascade.
    pub user_id: UserId,
}

/// What a verification proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VerificationPurpose {
    /// An address is theirs.
    Email,
    /// They asked for a new password.
    PasswordReset,
    /// They have the second factor.
    TwoFactor,
    /// They were invited.
    Invitation,
}

/// Short-lived proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Given by the daemon.
    pub id: VerificationId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What it is about: an address or a user's id.
    pub identifier: String,
    /// What it proves.
    pub purpose: VerificationPurpose,
    /// The value's hash.
    pub value_hash: Secret,
    /// Wrong tries so far.
    pub attempts: u32,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// → user, cascade; none for an invitation.
    pub user_id: Option<UserId>,
}
