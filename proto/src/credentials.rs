//! Domain 5: credential, credentialShare, credentialUsageLog, credentialTemplate,
//! credentialValidation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret_mask::Secret;
use crate::{
    CredentialId, CredentialShareId, CredentialTemplateId, CredentialUsageLogId,
    CredentialValidationId, ExecutionId, Json, Timestamp, UserId, WorkflowId,
};

/// What sort of secret it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CredentialType {
    /// OAuth 2 tokens that refresh by themselves.
    #[serde(rename = "OAUTH")]
    OAuth,
    /// A key sent with each request.
    ApiKey,
    /// A user name and a password.
    BasicAuth,
    /// A bearer token.
    Token,
    /// A certificate with its key.
    Certificate,
    /// A private key for ssh.
    SshKey,
}

/// What the last validation found.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum ValidationStatus {
    /// It works.
    Valid,
    /// It is refused.
    Invalid,
    /// It is over.
    Expired,
    /// Not tried yet.
    Unknown,
}

/// Where a credential is good for, for people and for refreshing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialMetadata {
    /// What it was granted for.
    pub scopes: Vec<String>,
    /// Where OAuth tokens are refreshed.
    pub token_url: Option<String>,
    /// Where OAuth begins.
    pub auth_url: Option<String>,
    /// Whom it is for.
    pub audience: Option<String>,
    /// Whether it can be refreshed.
    pub refreshable: bool,
    /// For people.
    pub environment: Option<String>,
    /// For people.
    pub region: Option<String>,
}

/// How a credential is tried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidationRules {
    /// What is asked.
    pub test_endpoint: String,
    /// `GET` and the like.
    pub test_method: String,
    /// Headers: an object of texts.
    pub test_headers: Json,
    /// The request's body.
    pub test_body: Option<String>,
    /// Status codes that mean it works.
    pub expected_status: Vec<u16>,
    /// Text that the answer has to have.
    pub expected_response: Option<String>,
}

/// A secret that steps work with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// Given by the daemon.
    pub id: CredentialId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Unique per owner.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What sort of secret.
    #[serde(rename = "type")]
    pub kind: CredentialType,
    /// For whom it is good.
    pub provider: Option<String>,
    /// The sealed secret part.
    pub encrypted_data: Secret,
    /// How it is sealed.
    pub encryption_version: u32,
    /// Off without being removed.
    pub is_active: bool,
    /// Whether others have a share.
    pub is_shared: bool,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When a step last used it.
    pub last_used_at: Option<Timestamp>,
    /// How often steps used it.
    pub usage_count: u64,
    /// Where it is good for.
    pub metadata: CredentialMetadata,
    /// The part that is not secret: header name, user name and the like.
    pub configuration: Json,
    /// How it is tried out.
    pub validation_rules: Option<ValidationRules>,
    /// For finding it.
    pub tags: Vec<String>,
    /// For people.
    pub notes: Option<String>,
    /// When it was last tried out.
    pub last_validated_at: Option<Timestamp>,
    /// What that found.
    pub validation_status: ValidationStatus,
    /// → user.
    pub user_id: UserId,
}

/// What a share of a credential allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum CredentialPermission {
    /// See that it exists.
    Read,
    /// Let steps use it.
    Use,
    /// Change and share it.
    Admin,
}

/// Lets another user at a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialShare {
    /// Given by the daemon.
    pub id: CredentialShareId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What it allows.
    pub permission: CredentialPermission,
    /// Off without being removed.
    pub is_active: bool,
    /// Ends at this moment; never where absent.
    pub expires_at: Option<Timestamp>,
    /// Exactly so many uses; unlimited where absent.
    pub usage_limit: Option<u64>,
    /// Uses so far.
    pub usage_count: u64,
    /// For people.
    pub notes: Option<String>,
    /// → credential, cascade.
    pub credential_id: CredentialId,
    /// → user who shares.
    pub owner_id: UserId,
    /// → user who gets it; unique with credential.
    pub shared_with_user_id: UserId,
}

/// What was done with a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum CredentialAction {
    /// Made.
    Created,
    /// Opened for a step.
    Used,
    /// Tried out.
    Validated,
    /// Changed.
    Updated,
    /// Removed.
    Deleted,
    /// Shared.
    Shared,
    /// Shown to a person.
    Revealed,
    /// Sealed anew.
    Rotated,
}

/// How that went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum UsageStatus {
    /// Well.
    Success,
    /// It was refused.
    Failure,
    /// It could not be done.
    Error,
}

/// Where a credential was used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageContext {
    /// In this workflow.
    pub workflow_id: Option<WorkflowId>,
    /// In this execution.
    pub execution_id: Option<ExecutionId>,
    /// By this node.
    pub node_id: Option<String>,
}

/// One use of a credential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialUsageLog {
    /// Given by the daemon.
    pub id: CredentialUsageLogId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What was done.
    pub action: CredentialAction,
    /// How it went.
    pub status: UsageStatus,
    /// Where.
    pub context: UsageContext,
    /// The peer's address.
    pub ip_address: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// Why it failed.
    pub error_message: Option<String>,
    /// More, for programs: an object.
    pub metadata: Json,
    /// When.
    pub timestamp: Timestamp,
    /// → credential, set null.
    pub credential_id: Option<CredentialId>,
    /// → user.
    pub user_id: UserId,
}

/// One field of a credential's form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateField {
    /// In the sealed data.
    pub name: String,
    /// For people.
    pub label: String,
    /// `text`, `password`, `select` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it may be left out.
    pub required: bool,
    /// For people.
    pub description: Option<String>,
    /// An example.
    pub placeholder: Option<String>,
    /// What can be chosen.
    pub options: Vec<String>,
    /// What a value has to fulfil: JSON Schema.
    pub validation: Json,
}

/// A credential's form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialForm {
    /// Its fields.
    pub fields: Vec<TemplateField>,
    /// How to get such a credential.
    pub instructions: Option<String>,
    /// Where to read more.
    pub documentation: Option<String>,
    /// Where it is tried out.
    pub test_endpoint: Option<String>,
}

/// How a provider's credentials look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialTemplate {
    /// Given by the daemon.
    pub id: CredentialTemplateId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Unique with provider.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What sort of secret.
    #[serde(rename = "type")]
    pub kind: CredentialType,
    /// For whom it is good.
    pub provider: String,
    /// Whether every account sees it.
    pub is_public: bool,
    /// The form.
    pub template: CredentialForm,
    /// How often it was filled in.
    pub usage_count: u64,
    /// 1 to 5.
    pub rating: Option<f64>,
    /// How many rated it.
    pub rating_count: u64,
    /// For finding it.
    pub tags: Vec<String>,
    /// → user.
    pub created_by: Option<UserId>,
}

/// How a try-out ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ValidationOutcome {
    /// It works.
    Valid,
    /// It is refused.
    Invalid,
    /// It is over.
    Expired,
    /// It could not be tried out.
    Error,
}

/// Who tried it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ValidationMethod {
    /// The timetable.
    Auto,
    /// A person.
    Manual,
}

/// What a try-out measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidationDetails {
    /// The answer's status.
    pub http_status: Option<u16>,
    /// Milliseconds.
    pub response_time: Option<u64>,
    /// A stable name.
    pub error_code: Option<String>,
}

/// One try-out of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialValidation {
    /// Given by the daemon.
    pub id: CredentialValidationId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// How it ended.
    pub status: ValidationOutcome,
    /// For people.
    pub message: Option<String>,
    /// What it measured.
    pub details: ValidationDetails,
    /// When.
    pub validated_at: Timestamp,
    /// When the next one is due.
    pub next_validation_at: Option<Timestamp>,
    /// Who tried it out.
    pub validation_method: ValidationMethod,
    /// → credential, cascade.
    pub credential_id: CredentialId,
}
