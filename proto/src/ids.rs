//! Typed ids: one type per entity, so that an execution's id never stands for a workflow's.
//!
//! Each is a UUIDv7 (RFC 9562 §5.7): text on the wire, sixteen bytes in the store, sorted by
//! creation time in both. The daemon gives them; nothing here makes one from a clock.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not a UUID in its hyphenated lower-case form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: ids look like 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f")]
pub struct NotAnId(pub String);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// The id with exactly these bytes, as read from the store or made by the daemon.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(uuid::Uuid::from_bytes(bytes))
            }
            /// The sixteen bytes, in the order that sorts by creation time.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
            /// Builds a UUIDv7 from milliseconds since the Unix epoch and ten random bytes.
            pub const fn from_parts(unix_ms: u64, random: [u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
            }
            /// The creation time that the id carries, in milliseconds since the Unix epoch.
            pub fn unix_ms(&self) -> u64 {
                let b = self.0.as_bytes();
                u64::from_be_bytes([0, 0, b[0], b[1], b[2], b[3], b[4], b[5]])
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.as_hyphenated())
            }
        }
        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                if text.len() != 36 {
                    return Err(NotAnId(text.chars().take(64).collect()));
                }
                uuid::Uuid::try_parse(text).map(Self).map_err(|_| NotAnId(text.to_owned()))
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() {
                    let mut text = [0u8; 36];
                    s.serialize_str(self.0.as_hyphenated().encode_lower(&mut text))
                } else {
                    self.0.as_bytes().serialize(s)
                }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    crate::json::parsed(d)
                } else {
                    <[u8; 16]>::deserialize(d).map(Self::from_bytes)
                }
            }
        }
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "format": "uuid"})
            }
        }
    )*};
}

ids! {
    /// A `user`.
    UserId
    /// A `session`.
    SessionId
    /// A `refreshToken`.
    RefreshTokenId
    /// An `account`.
    AccountId
    /// A `verification`.
    VerificationId
    /// A `workflow`.
    WorkflowId
    /// A `workflowTrigger`.
    WorkflowTriggerId
    /// A `workflowVersion`.
    WorkflowVersionId
    /// A `workflowShare`.
    WorkflowShareId
    /// A `workflowComment`.
    WorkflowCommentId
    /// An `execution`.
    ExecutionId
    /// An `executionSchedule`.
    ExecutionScheduleId
    /// A `nodeDefinition`.
    NodeDefinitionId
    /// A `nodeTemplate`.
    NodeTemplateId
    /// A `nodeRating`.
    NodeRatingId
    /// A `nodeUsageStats`.
    NodeUsageStatsId
    /// A `nodeCollection`.
    NodeCollectionId
    /// A `nodeCollectionItem`.
    NodeCollectionItemId
    /// A `credential`.
    CredentialId
    /// A `credentialShare`.
    CredentialShareId
    /// A `credentialUsageLog`.
    CredentialUsageLogId
    /// A `credentialTemplate`.
    CredentialTemplateId
    /// A `credentialValidation`.
    CredentialValidationId
    /// An `appSetting`.
    AppSettingId
    /// A `healthCheck`.
    HealthCheckId
    /// A `schemaMigration`.
    SchemaMigrationId
    /// A `systemNotification`.
    SystemNotificationId
    /// An `apiKey`.
    ApiKeyId
    /// An `auditLog` row.
    AuditLogId
    /// The installation: made at the first start, kept in the store and in the marker beside it.
    InstallId
}
