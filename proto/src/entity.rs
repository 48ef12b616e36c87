//! [`Entity`]: what all thirty-three have in common, and the one list of their names.
//!
//! The names are those of the RPC namespaces, the store's tables and the feed. What a patch may
//! change is said here, beside the name, so that no door can forget it.

use std::fmt::{Debug, Display};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::credentials::{
    Credential, CredentialShare, CredentialTemplate, CredentialUsageLog, CredentialValidation,
};
use crate::execution::{
    Execution, ExecutionLog, ExecutionMetric, ExecutionNodeState, ExecutionSchedule,
};
use crate::identity::{Account, RefreshToken, Session, User, Verification};
use crate::nodes::{
    NodeCollection, NodeCollectionItem, NodeDefinition, NodeRating, NodeTemplate, NodeUsageStats,
};
use crate::system::{
    ApiKey, AppSetting, AuditLog, HealthCheck, SchemaMigration, SystemLog, SystemNotification,
};
use crate::workflow::{Workflow, WorkflowComment, WorkflowShare, WorkflowTrigger, WorkflowVersion};
use crate::*;

/// A thing that the store keeps and the socket speaks of.
pub trait Entity: Serialize + DeserializeOwned + JsonSchema + Clone + Debug + Send + Sync {
    /// As in the RPC namespaces, for example `workflowTrigger`.
    const NAME: &'static str;
    /// The members that an update may change, as on the wire.
    const EDITABLE: &'static [&'static str];
    /// Its id: typed where it has one of its own, a text of several parts where it is derived.
    type Id: Display + Debug + Clone + Eq + Send + Sync;
    /// Its id.
    fn id(&self) -> Self::Id;
    /// +1 on every change; 0 where the entity has none.
    fn revision(&self) -> u64 {
        0
    }
    /// Takes the secrets over from `old`, since they do not pass through JSON.
    fn keep_secrets(&mut self, old: &Self) {
        let _ = old;
    }
}

macro_rules! entities {
    ($(
        $name:literal $entity:ident $id:ident [$($editable:literal)*] $(secret [$($secret:ident)+])?;
    )*) => {
        $(impl Entity for $entity {
            const NAME: &'static str = $name;
            const EDITABLE: &'static [&'static str] = &[$($editable),*];
            type Id = $id;
            fn id(&self) -> $id {
                self.id
            }
            fn revision(&self) -> u64 {
                self.revision
            }
            $(fn keep_secrets(&mut self, old: &Self) {
                $(self.$secret = old.$secret.clone();)+
            })?
        })*
    };
}

entities! {
    "user" User UserId ["name" "email" "image" "role" "status"]
        secret [password two_factor_secret];
    "session" Session SessionId [] secret [token];
    "refreshToken" RefreshToken RefreshTokenId [] secret [token_hash];
    "account" Account AccountId [] secret [access_token refresh_token id_token];
    "verification" Verification VerificationId [] secret [value_hash];
    "workflow" Workflow WorkflowId [
        "name" "description" "definition" "isActive" "isTemplate" "visibility" "tags" "category"
        "variables" "settings"
    ];
    "workflowTrigger" WorkflowTrigger WorkflowTriggerId [
        "name" "description" "isActive" "configuration" "metadata"
    ];
    "workflowVersion" WorkflowVersion WorkflowVersionId ["changeLog"];
    "workflowShare" WorkflowShare WorkflowShareId ["permission" "isActive" "expiresAt"];
    "workflowComment" WorkflowComment WorkflowCommentId ["content" "isResolved"];
    "execution" Execution ExecutionId [];
    "executionSchedule" ExecutionSchedule ExecutionScheduleId ["scheduledTime" "executionData"];
    "nodeDefinition" NodeDefinition NodeDefinitionId [
        "displayName" "description" "category" "isActive" "isPublic" "icon" "color"
        "documentation" "rateLimit" "retryPolicy" "timeout" "tags" "metadata"
    ];
    "nodeTemplate" NodeTemplate NodeTemplateId [
        "name" "description" "configuration" "isPublic" "tags"
    ];
    "nodeRating" NodeRating NodeRatingId ["rating" "comment" "isPublic"];
    "nodeUsageStats" NodeUsageStats NodeUsageStatsId [];
    "nodeCollection" NodeCollection NodeCollectionId ["name" "description" "isPublic" "tags"];
    "nodeCollectionItem" NodeCollectionItem NodeCollectionItemId ["position" "note"];
    "credential" Credential CredentialId [
        "name" "description" "provider" "isActive" "expiresAt" "metadata" "configuration"
        "validationRules" "tags" "notes"
    ] secret [encrypted_data];
    "credentialShare" CredentialShare CredentialShareId [
        "permission" "isActive" "expiresAt" "usageLimit" "notes"
    ];
    "credentialUsageLog" CredentialUsageLog CredentialUsageLogId [];
    "credentialTemplate" CredentialTemplate CredentialTemplateId [
        "name" "description" "isPublic" "template" "tags"
    ];
    "credentialValidation" CredentialValidation CredentialValidationId [];
    "appSetting" AppSetting AppSettingId [];
    "healthCheck" HealthCheck HealthCheckId [
        "serviceName" "endpoint" "checkInterval" "timeout" "retryCount" "alertThreshold"
        "isEnabled" "alertsEnabled" "configuration"
    ];
    "schemaMigration" SchemaMigration SchemaMigrationId [];
    "systemNotification" SystemNotification SystemNotificationId ["isRead"];
    "apiKey" ApiKey ApiKeyId [
        "name" "isActive" "scopes" "rateLimit" "allowedIps" "expiresAt"
    ] secret [key_hash];
}

impl Entity for AuditLog {
    const NAME: &'static str = "auditLog";
    const EDITABLE: &'static [&'static str] = &[];
    type Id = AuditLogId;
    fn id(&self) -> AuditLogId {
        self.id
    }
}

impl Entity for ExecutionNodeState {
    const NAME: &'static str = "executionNodeState";
    const EDITABLE: &'static [&'static str] = &[];
    type Id = String;
    fn id(&self) -> String {
        self.id.clone()
    }
}

impl Entity for ExecutionLog {
    const NAME: &'static str = "executionLog";
    const EDITABLE: &'static [&'static str] = &[];
    type Id = String;
    fn id(&self) -> String {
        format!("{}/{}", self.execution_id, self.seq)
    }
}

impl Entity for ExecutionMetric {
    const NAME: &'static str = "executionMetrics";
    const EDITABLE: &'static [&'static str] = &[];
    type Id = String;
    fn id(&self) -> String {
        let node = self.node_id.as_deref().unwrap_or_default();
        let at = self.timestamp.as_unix_ms();
        format!("{}/{}/{node}/{at}", self.execution_id, self.metric_name)
    }
}

impl Entity for SystemLog {
    const NAME: &'static str = "systemLog";
    const EDITABLE: &'static [&'static str] = &[];
    type Id = String;
    fn id(&self) -> String {
        self.id.clone()
    }
}

/// Calls a macro with every entity's type, in the order of the contract.
#[macro_export]
macro_rules! for_each_entity {
    ($call:path) => {
        $call! {
            $crate::identity::User $crate::identity::Session $crate::identity::RefreshToken
            $crate::identity::Account $crate::identity::Verification
            $crate::workflow::Workflow $crate::workflow::WorkflowTrigger
            $crate::workflow::WorkflowVersion $crate::workflow::WorkflowShare
            $crate::workflow::WorkflowComment
            $crate::execution::Execution $crate::execution::ExecutionNodeState
            $crate::execution::ExecutionLog $crate::execution::ExecutionMetric
            $crate::execution::ExecutionSchedule
            $crate::nodes::NodeDefinition $crate::nodes::NodeTemplate $crate::nodes::NodeRating
            $crate::nodes::NodeUsageStats $crate::nodes::NodeCollection
            $crate::nodes::NodeCollectionItem
            $crate::credentials::Credential $crate::credentials::CredentialShare
            $crate::credentials::CredentialUsageLog $crate::credentials::CredentialTemplate
            $crate::credentials::CredentialValidation
            $crate::system::AppSetting $crate::system::HealthCheck $crate::system::SchemaMigration
            $crate::system::SystemLog $crate::system::SystemNotification $crate::system::ApiKey
            $crate::system::AuditLog
        }
    };
}

macro_rules! names {
    ($($entity:path)*) => {
        /// Every entity's name, in the order of the contract.
        pub const NAMES: &[&str] = &[$(<$entity as Entity>::NAME),*];
    };
}
for_each_entity!(names);
