//! Domain 6: appSetting, healthCheck, schemaMigration, systemLog, systemNotification, apiKey,
//! auditLog.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::execution::LogLevel;
use crate::nodes::RateLimit;
use crate::secret_mask::Secret;
use crate::{
    ApiKeyId, AppSettingId, AuditLogId, HealthCheckId, Json, SchemaMigrationId,
    SystemNotificationId, Timestamp, UserId,
};

/// What a setting's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SettingType {
    /// Text.
    String,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// Any JSON.
    Json,
    /// A list.
    Array,
}

/// Which of its places a setting's value comes from; an earlier one wins.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum SettingSource {
    /// The daemon's environment.
    Environment,
    /// The configuration file.
    File,
    /// `appSetting.set`.
    Store,
    /// Built in.
    Default,
}

/// One tunable of the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppSetting {
    /// Given by the daemon.
    pub id: AppSettingId,
    /// +1 on every change; 0 where it was never set.
    pub revision: u64,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When it was last set.
    pub updated_at: Timestamp,
    /// Unique, for example `retention.successDays`.
    pub key: String,
    /// What holds now.
    pub value: Json,
    /// What a value is.
    pub data_type: SettingType,
    /// For people.
    pub description: String,
    /// For finding it.
    pub category: String,
    /// Whether every account sees it.
    pub is_public: bool,
    /// Whether `appSetting.set` may change it.
    pub is_editable: bool,
    /// What a value has to fulfil: JSON Schema.
    pub validation_rule: Json,
    /// What holds where nothing is said.
    pub default_value: Json,
    /// The name of its environment variable.
    pub environment: Option<String>,
    /// For finding it.
    pub tags: Vec<String>,
    /// Where `value` comes from.
    pub source: SettingSource,
    /// What the environment says.
    pub environment_value: Option<Json>,
    /// What the file says.
    pub file_value: Option<Json>,
    /// What the store says.
    pub store_value: Option<Json>,
    /// Whether a change takes effect without a restart.
    pub is_live: bool,
    /// Whether a change waits for a restart.
    pub needs_restart: bool,
    /// → user who last set it.
    pub updated_by: Option<UserId>,
}

/// How something is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthStatus {
    /// As it should be.
    Healthy,
    /// Works, but not as it should.
    Degraded,
    /// Does not work.
    Unhealthy,
    /// Not looked at yet.
    Unknown,
}

/// What a health check found, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthDetails {
    /// The service's version.
    pub version: Option<String>,
    /// Milliseconds since it started.
    pub uptime: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes.
    pub disk: Option<u64>,
    /// Errors since it started.
    pub error_count: Option<u64>,
    /// The last of them.
    pub last_error: Option<String>,
}

/// Looks after one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// Given by the daemon.
    pub id: HealthCheckId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// For example `store`.
    pub service_name: String,
    /// `SELF`, `HTTP`, `TCP`, `PROCESS`, `UNIT` or `COMMAND`.
    pub service_type: String,
    /// What is looked at.
    pub endpoint: Option<String>,
    /// How it is.
    pub status: HealthStatus,
    /// Milliseconds.
    pub response_time: Option<u64>,
    /// For people.
    pub message: Option<String>,
    /// In numbers.
    pub details: HealthDetails,
    /// Milliseconds between looks.
    pub check_interval: u64,
    /// Milliseconds that one look may take.
    pub timeout: u64,
    /// Looks again at once before it counts as failed.
    pub retry_count: u32,
    /// Failures in a row that raise a notification.
    pub alert_threshold: u32,
    /// Failures in a row so far.
    pub consecutive_failures: u32,
    /// When it last looked.
    pub last_check_at: Option<Timestamp>,
    /// When it looks next.
    pub next_check_at: Option<Timestamp>,
    /// When it last was well.
    pub last_healthy_at: Option<Timestamp>,
    /// When it last was not.
    pub last_unhealthy_at: Option<Timestamp>,
    /// Off where false.
    pub is_enabled: bool,
    /// Whether it raises notifications.
    pub alerts_enabled: bool,
    /// What the probe needs: an object.
    pub configuration: Json,
}

/// How far a migration came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MigrationStatus {
    /// Not begun.
    Pending,
    /// Under way.
    Running,
    /// Done.
    Success,
    /// Given up, nothing changed.
    Failed,
    /// Taken back.
    RolledBack,
}

/// One step from an older store to a newer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaMigration {
    /// Given by the daemon.
    pub id: SchemaMigrationId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Unique: the schema's version after it.
    pub version: String,
    /// Short.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Where it stands in the sources.
    pub filename: String,
    /// Of what it does, so that a changed one is noticed.
    pub checksum: String,
    /// Milliseconds.
    pub execution_time: Option<u64>,
    /// How far it came.
    pub status: MigrationStatus,
    /// Why it failed.
    pub error_message: Option<String>,
    /// How it is taken back, where it can be.
    pub rollback: Option<String>,
    /// Versions that have to be there first.
    pub dependencies: Vec<String>,
    /// When it was done.
    pub applied_at: Option<Timestamp>,
    /// When it was taken back.
    pub rolled_back_at: Option<Timestamp>,
    /// The daemon's version that did it.
    pub applied_by: Option<String>,
}

/// What a record of the daemon's own log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SystemLogCategory {
    /// Coming up.
    Startup,
    /// Going down.
    Shutdown,
    /// Something failed.
    Error,
    /// Something is slow.
    Performance,
    /// Someone tried something.
    Security,
}

/// One record of the daemon's own log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemLog {
    /// Its place in the segments, as text.
    pub id: String,
    /// When it was written.
    pub timestamp: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// Fixed short text; what varies is in `details`.
    pub message: String,
    /// The module it came from.
    pub source: String,
    /// What it is about.
    pub category: Option<SystemLogCategory>,
    /// The record's fields: an object.
    pub details: Json,
    /// What an internal error told the caller.
    pub correlation_id: Option<String>,
    /// Whose call it was.
    pub user_id: Option<UserId>,
    /// Which call it was.
    pub request_id: Option<String>,
    /// Milliseconds, where it is about something that took time.
    pub duration: Option<u64>,
}

/// A way a notification goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum NotificationChannel {
    /// Mail.
    Email,
    /// An HTTP call.
    Webhook,
    /// Slack.
    Slack,
    /// Discord.
    Discord,
    /// A text message.
    Sms,
}

/// How urgent a notification is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Priority {
    /// Whenever.
    Low,
    /// Today.
    Normal,
    /// Soon.
    High,
    /// Now.
    Critical,
}

/// How far one delivery came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum DeliveryStatus {
    /// Not gone out yet.
    Pending,
    /// Gone out.
    Sent,
    /// Given up.
    Failed,
}

/// One notification on one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Which way.
    pub channel: NotificationChannel,
    /// How far.
    pub status: DeliveryStatus,
    /// Tries so far.
    pub attempts: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

/// Something that people should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemNotification {
    /// Given by the daemon.
    pub id: SystemNotificationId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// In a few words.
    pub title: String,
    /// In a sentence or two.
    pub message: String,
    /// The way it goes out; the inbox alone where absent.
    #[serde(rename = "type")]
    pub kind: Option<NotificationChannel>,
    /// How urgent it is.
    pub priority: Priority,
    /// For example `SECURITY`.
    pub category: Option<String>,
    /// Whether it was read.
    pub is_read: bool,
    /// Whether it is for everyone.
    pub is_global: bool,
    /// When it is no longer of interest.
    pub expires_at: Option<Timestamp>,
    /// What to open.
    pub action_url: Option<String>,
    /// What opening it is called.
    pub action_label: Option<String>,
    /// More, for programs: an object.
    pub metadata: Json,
    /// How far it came on each channel.
    pub deliveries: Vec<Delivery>,
    /// When it was read.
    pub read_at: Option<Timestamp>,
    /// → user it is for; none where global.
    pub user_id: Option<UserId>,
    /// → user.
    pub created_by: Option<UserId>,
}

/// Lets a program in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Given by the daemon.
    pub id: ApiKeyId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Unique per user.
    pub name: String,
    /// Unique.
    pub key_hash: Secret,
    /// The key's first characters, so that people know which it is.
    pub prefix: String,
    /// Off without being removed.
    pub is_active: bool,
    /// What it may do.
    pub scopes: Vec<String>,
    /// How often it may call.
    pub rate_limit: Option<RateLimit>,
    /// From where it may call; from anywhere where empty.
    pub allowed_ips: Vec<String>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// How often it was used.
    pub usage_count: u64,
    /// → user, cascade.
    pub user_id: UserId,
}

/// Who asked for a change, from where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditMetadata {
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The peer's address.
    pub ip_address: Option<String>,
    /// The peer's user in the operating system.
    pub uid: Option<u32>,
    /// Which call it was.
    pub request_id: Option<String>,
    /// The door: `UNIX`, `HTTP`, `WEBSOCKET`, `ENGINE`, …
    pub source: Option<String>,
}

/// One change through any door; a link in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditLog {
    /// Given by the daemon.
    pub id: AuditLogId,
    /// Its number in the chain, from 1, gap-free.
    pub seq: u64,
    /// When it was committed.
    pub timestamp: Timestamp,
    /// What was done, for example `workflow.update`.
    pub action: String,
    /// The entity's name.
    pub resource: String,
    /// The entity's id as text.
    pub resource_id: String,
    /// Before, secrets masked; `null` for a new one.
    pub old_values: Json,
    /// After, secrets masked; `null` for one that is gone.
    pub new_values: Json,
    /// Who asked, from where.
    pub metadata: AuditMetadata,
    /// → user, kept for ever; none for the daemon itself.
    pub user_id: Option<UserId>,
    /// The hash of the row before, hexadecimal; empty for the first.
    pub prev_hash: String,
    /// The hash of this row, hexadecimal.
    pub hash: String,
}
