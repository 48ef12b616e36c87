//! The whole database on one screen: constant, stored name, key, value, one sentence.
//!
//! Stored names and key layouts are frozen; a retired one stays listed. Index tables hold only a
//! checksum as their value, unique ones the id that has the key. `state.redb` has all of them, a
//! history file those of its kind.

use redb::TableDefinition;

/// The number of this layout; a step in `migrations/` leads to each.
pub const SCHEMA: u32 = 1;
/// The oldest daemon that may read a store written by this one.
pub(crate) const MIN_READER: u32 = 1;
/// The oldest daemon that may write to it.
pub(crate) const MIN_WRITER: u32 = 1;

/// A table of the store.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub(crate) number: usize,
    /// Its name in the file.
    pub name: &'static str,
    /// What its keys are made of.
    pub key: &'static str,
    /// What its values are.
    pub value: &'static str,
    /// What it is for.
    pub about: &'static str,
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Table {}

impl Table {
    pub(crate) const fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.name)
    }
}

macro_rules! tables {
    ($($constant:ident $name:literal $key:literal => $value:literal, $about:literal;)*) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "named as the tables")]
        enum Number { $($constant),* }
        $(
            #[doc = $about]
            pub(crate) const $constant: Table = Table {
                number: Number::$constant as usize,
                name: $name, key: $key, value: $value, about: $about,
            };
        )*
        /// Every table, in the order of this file.
        pub const TABLES: &[Table] = &[$($constant),*];
    };
}

tables! {
    META                        "meta"                        "name"                          => "by name",          "Who we are: schema, install id, number of the last commit.";
    TOMBSTONE                   "tombstone"                   "entity, id"                    => "Tombstone",        "What was deleted and whose children are still to be removed.";
    MIGRATION                   "schema_migration"            "version"                       => "SchemaMigration",  "Which steps made the store what it is.";
    IDEMPOTENCY                 "idempotency"                 "caller, method, key"           => "Answered",         "What a caller's key was answered with, for seven days.";
    IDEMPOTENCY_BY_TIME         "idempotency_by_time"         "at, caller, method, key"       => "mark",             "Which keys are over first.";

    FEED                        "feed"                        "first seq"                     => "Vec<Change>",      "Committed changes, numbered without gaps.";
    AUDIT                       "audit_log"                   "seq"                           => "AuditLog",         "Who changed what; each row carries the hash of the one before.";
    AUDIT_BY_RESOURCE           "audit_log_by_resource"       "resource, id, seq"             => "mark",             "What happened to one thing.";
    AUDIT_BY_USER               "audit_log_by_user"           "user, seq"                     => "mark",             "What one user did.";

    USER                        "user"                        "user"                          => "User",             "People and services that own things.";
    USER_BY_EMAIL               "user_by_email"               "lower-case email"              => "user",             "Unique: an email belongs to one user.";
    USER_BY_ROLE                "user_by_role"                "role, user"                    => "mark",             "Who has a role.";
    USER_BY_STATUS              "user_by_status"              "status, user"                  => "mark",             "Who is active, suspended, deleted.";
    ACCOUNT                     "account"                     "account"                       => "Account",          "Links to outside identities.";
    ACCOUNT_BY_PROVIDER         "account_by_provider"         "provider, account id"          => "account",          "Unique: an outside identity is one user.";
    ACCOUNT_BY_USER             "account_by_user"             "user, account"                 => "mark",             "A user's ways in.";

    WORKFLOW                    "workflow"                    "workflow"                      => "Workflow",         "Saved graphs, without definition and counters.";
    WORKFLOW_DEFINITION         "workflow_definition"         "workflow"                      => "Json",             "The newest draft's document.";
    WORKFLOW_COUNTERS           "workflow_counters"           "workflow"                      => "Counters",         "Lifetime counts, changed in the commit that ends an execution.";
    WORKFLOW_BY_NAME            "workflow_by_name"            "user, name"                    => "workflow",         "Unique: a name per owner.";
    WORKFLOW_BY_PLAIN_NAME      "workflow_by_plain_name"      "name, workflow"                => "mark",             "All owners' workflows of one name.";
    WORKFLOW_BY_USER            "workflow_by_user"            "user, workflow"                => "mark",             "An owner's workflows.";
    WORKFLOW_BY_VISIBILITY      "workflow_by_visibility"      "visibility, workflow"          => "mark",             "What everybody sees.";
    WORKFLOW_BY_CATEGORY        "workflow_by_category"        "category, workflow"            => "mark",             "Workflows of a category.";
    WORKFLOW_BY_TAG             "workflow_by_tag"             "tag, workflow"                 => "mark",             "Workflows with a tag.";
    VERSION                     "workflow_version"            "version id"                    => "WorkflowVersion",  "Snapshots of documents, without the document.";
    VERSION_DEFINITION          "workflow_version_definition" "version id"                    => "Json",             "The document of a snapshot.";
    VERSION_BY_WORKFLOW         "workflow_version_by_number"  "workflow, version"             => "version id",       "Unique: a number per workflow.";
    TRIGGER                     "workflow_trigger"            "trigger"                       => "WorkflowTrigger",  "What starts executions.";
    TRIGGER_BY_WORKFLOW         "workflow_trigger_by_name"    "workflow, name"                => "trigger",          "Unique: a name per workflow.";
    TRIGGER_BY_KIND             "workflow_trigger_by_kind"    "kind, is active, trigger"      => "mark",             "What is to be armed.";
    SHARE                       "workflow_share"              "share"                         => "WorkflowShare",    "Who else may do what with a workflow.";
    SHARE_BY_WORKFLOW           "workflow_share_by_workflow"  "workflow, user"                => "share",            "Unique: one share per workflow and user.";
    SHARE_BY_USER               "workflow_share_by_user"      "user, workflow"                => "share",            "What is shared with a user.";
    COMMENT                     "workflow_comment"            "comment"                       => "WorkflowComment",  "Remarks on workflows and nodes.";
    COMMENT_BY_WORKFLOW         "workflow_comment_by_workflow" "workflow, comment"            => "mark",             "A workflow's remarks.";
    COMMENT_BY_PARENT           "workflow_comment_by_parent"  "parent, comment"               => "mark",             "Answers to a remark.";

    EXECUTION                   "execution"                   "execution"                     => "Kept",             "Runs, with their data and packed state while these are small.";
    EXECUTION_DATA              "execution_data"              "execution"                     => "Data",             "What came in and went out, beyond 4 KiB.";
    EXECUTION_STATE             "execution_state"             "execution"                     => "bytes",            "Packed state beyond 4 KiB.";
    EXECUTION_STATE_ADDED       "execution_state_added"       "execution, number"             => "bytes",            "What was added to a packed state that has a row of its own.";
    EXECUTION_VALUE             "execution_value"             "execution, hash"               => "bytes",            "Large values in a packed state, each once.";
    EXECUTION_ITERATION         "execution_iteration"         "execution, path, node"         => "bytes",            "Iterations of loops that are over, packed.";
    EXECUTION_RECOVERY          "execution_recovery"          "execution"                     => "u32",              "How often a run was taken up again after it had made the engine fail, without getting on since.";
    EXECUTION_METRICS           "execution_metrics"           "execution"                     => "Vec<ExecutionMetric>", "What was measured in a run.";
    EXECUTION_METRICS_MORE      "execution_metrics_more"      "execution, number"             => "Vec<ExecutionMetric>", "What was measured after that, some at a time.";
    EXECUTION_BY_STATUS         "execution_by_status"         "status, execution"             => "mark",             "What runs, what failed.";
    EXECUTION_BY_WORKFLOW       "execution_by_workflow"       "workflow, execution"           => "mark",             "A workflow's runs.";
    EXECUTION_BY_WORKFLOW_STATUS "execution_by_workflow_status" "workflow, status, execution" => "mark",             "A workflow's failed runs.";
    EXECUTION_BY_USER           "execution_by_user"           "user, execution"               => "mark",             "A user's runs.";
    EXECUTION_BY_TRIGGER        "execution_by_trigger"        "trigger, execution"            => "mark",             "A trigger's runs.";
    EXECUTION_BY_PARENT         "execution_by_parent"         "parent, execution"             => "mark",             "Runs started by a run.";
    EXECUTION_BY_RETRY          "execution_by_retry"          "retried, execution"            => "mark",             "Retries of a run.";
    EXECUTION_BY_DUE            "execution_by_due"            "due, execution"                => "mark",             "Paused runs by their earliest timer; the last moment where none is set.";
    EXECUTION_QUEUED            "execution_queued"            "workflow, priority, execution" => "mark",             "Runs that have not begun, in their turn.";
    EXECUTION_ASKING            "execution_asking"            "execution"                     => "mark",             "Paused runs that ask something of the daemon, or hold a lock.";
    EXECUTION_IN_DOUBT          "execution_in_doubt"          "execution"                     => "mark",             "Runs that wait for a person's word on how a step ended.";
    EXECUTION_BY_KEY            "execution_by_key"            "workflow, source, key"         => "execution, at",    "Unique while in its window: what was accepted once.";
    EXECUTION_ATTACHMENT        "execution_attachment"        "execution, hash"               => "mark",             "The attachments that a run names.";
    EXECUTION_BY_ATTACHMENT     "execution_by_attachment"     "hash, execution"               => "mark",             "The runs that name an attachment; without one it goes.";
    EXECUTION_REPLY             "execution_reply"             "execution, node, iteration, item, attempt" => "bytes", "Answers to requests that are not in the state of the execution yet.";
    EXECUTION_FAILED            "execution_failed"            "execution"                     => "text",             "Runs that failed, with the error workflow that is still to be started.";
    SHARED_VALUE                "shared_value"                "scope, its id, name"           => "SharedValue",      "Values that executions share, by workflow or owner.";
    SHARED_COUNT                "shared_value_count"          "scope, its id"                 => "u64",              "How many values are shared there.";
    EXECUTION_APPROVAL          "execution_approval"          "execution, node, iteration, item, attempt" => "mark", "Where people are asked for a decision.";
    SCHEDULE                    "execution_schedule"          "plan"                          => "ExecutionSchedule", "Planned runs, and what became of them.";
    SCHEDULE_BY_INSTANT         "execution_schedule_by_instant" "trigger, instant"            => "plan",             "Unique: one due instant, one execution.";
    SCHEDULE_BY_TIME            "execution_schedule_by_time"  "instant, plan"                 => "mark",             "What is due when.";
    SCHEDULE_BY_STATUS          "execution_schedule_by_status" "status, instant, plan"        => "mark",             "What is pending, what was done.";
    SCHEDULE_BY_WORKFLOW        "execution_schedule_by_workflow" "workflow, instant, plan"    => "mark",             "A workflow's plans.";
    SCHEDULE_BY_NEXT            "execution_schedule_by_next"  "next attempt, plan"            => "mark",             "What is tried again when.";
    ROLLUP                      "metric_rollup"               "metric, scope, minute"         => "Rollup",           "Measured values per minute; scope is a workflow or everything.";

    EVENT                       "event"                       "seq"                           => "Event",            "What happened, numbered; waits and triggers look here.";
    EVENT_BY_TYPE               "event_by_type"               "type, seq"                     => "mark",             "Events of one sort.";

    SETTING                     "app_setting"                 "key"                           => "AppSetting",       "Tunables that were set in the store.";
    HEALTH                      "health_check"                "service name"                  => "HealthCheck",      "What is watched, and how it is.";
    NOTIFICATION                "system_notification"         "notification"                  => "SystemNotification", "What people should know.";
    NOTIFICATION_BY_USER        "system_notification_by_user" "user, is read, notification"   => "mark",             "A user's inbox.";
}

/// The tables of a history file of executions.
pub(crate) const EXECUTIONS: &[Table] = &[
    META,
    EXECUTION,
    EXECUTION_DATA,
    EXECUTION_STATE,
    EXECUTION_ITERATION,
    EXECUTION_METRICS,
    EXECUTION_METRICS_MORE,
    EXECUTION_BY_STATUS,
    EXECUTION_BY_WORKFLOW,
    EXECUTION_BY_WORKFLOW_STATUS,
    EXECUTION_BY_USER,
    EXECUTION_BY_TRIGGER,
    EXECUTION_BY_PARENT,
    EXECUTION_BY_RETRY,
    EXECUTION_ATTACHMENT,
    EXECUTION_BY_ATTACHMENT,
];

/// The tables of a history file of audit rows.
pub(crate) const AUDITS: &[Table] = &[META, AUDIT, AUDIT_BY_RESOURCE, AUDIT_BY_USER];

/// The tables of a history file of planned runs.
pub(crate) const LEDGER: &[Table] = &[
    META,
    SCHEDULE,
    SCHEDULE_BY_INSTANT,
    SCHEDULE_BY_TIME,
    SCHEDULE_BY_STATUS,
    SCHEDULE_BY_WORKFLOW,
    SCHEDULE_BY_NEXT,
];

/// The tables of a history file of roll-ups.
pub(crate) const ROLLUPS: &[Table] = &[META, ROLLUP];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_once_and_numbers_are_places() {
        let names: std::collections::BTreeSet<_> = TABLES.iter().map(|t| t.name).collect();
        assert_eq!(names.len(), TABLES.len());
        assert!(TABLES.iter().enumerate().all(|(place, table)| table.number == place));
    }
}
