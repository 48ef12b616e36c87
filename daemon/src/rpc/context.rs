//! What the methods' bodies work with, and the few things that all of them do alike: who asks,
//! which page.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2n_proto::api::system::{InfoAnswer, Mode};
use a2n_proto::api::{List, Match, Sort, Which};
use a2n_proto::identity::Role;
use a2n_proto::workflow::{SharePermission, Workflow};
use a2n_proto::{ErrorKind, RpcError, Timestamp, WorkflowId};

use super::{Call, Turns};
use crate::access::people;
use crate::engine::driving::handle::Engine;
use crate::engine::driving::inbox::Inbox;
use crate::engine::driving::plans::Plans;
use crate::engine::driving::safe_mode::SafeMode;
use crate::engine::driving::start::Starter;
use crate::engine::driving::stuck::Stuck;
use crate::engine::job::Executor;
use crate::nodes::Registry as Definitions;
use crate::operations::health::Health;
use crate::operations::metrics::{Looks, Metrics};
use crate::operations::settings::Settings;
use crate::store::logs::{LogStore, SystemLogs};
use crate::store::{self, Origin, Paging, Store, View};
use crate::system::System;
use crate::system::attachments::Attachments;
use crate::triggers::schedule::Zone;
use crate::triggers::service::Handle as Schedules;
use crate::workflows::Workflows;

/// Everything behind the methods; `app` makes it.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where everything is kept. Bodies read people's data through [`Context::view`].
    pub store: Store,
    /// The lines of executions.
    pub logs: LogStore,
    /// The daemon's own records.
    pub system_logs: SystemLogs,
    /// Files and other bytes of steps.
    pub attachments: Attachments,
    /// Live executions.
    pub engine: Engine,
    /// Who carries attempts out, for trying single nodes.
    pub executor: Arc<dyn Executor>,
    /// The environment, for `env` in expressions; cut to the allowed names by who reads it.
    pub environment: Arc<BTreeMap<String, String>>,
    /// Executions that could not be taken up again.
    pub stuck: Stuck,
    /// Whether the engine is paused after crashes.
    pub safe_mode: SafeMode,
    /// Where events are told.
    pub inbox: Inbox,
    /// Starts executions.
    pub starter: Starter,
    /// Plans of versions.
    pub plans: Arc<Plans>,
    /// Saves, publishes, applies.
    pub workflows: Workflows,
    /// The kinds of nodes.
    pub definitions: Arc<Definitions>,
    /// Every tunable.
    pub settings: Settings,
    /// The schedule service.
    pub schedules: Schedules,
    /// Asks the probes.
    pub health: Health,
    /// Counts.
    pub metrics: Metrics,
    /// What there is and what goes on.
    pub looks: Arc<dyn Looks>,
    /// The world.
    pub system: System,
    /// The host's time zone.
    pub zone: Zone,
    /// What `system.info` answers.
    pub info: Arc<InfoAnswer>,
    /// Which idempotency keys are under way.
    pub turns: Turns,
}

impl Context {
    /// The time.
    pub fn now(&self) -> Timestamp {
        self.system.now()
    }

    /// The store as the caller sees it.
    pub fn view(&self, call: &Call) -> Result<View, RpcError> {
        call.view(&self.store, self.now())
    }

    /// Who writes.
    pub fn origin(&self, call: &Call) -> Result<Origin, RpcError> {
        call.caller()?;
        Ok(call.origin(self.now()))
    }

    /// The workflow that a call is about, where the caller has the permission.
    pub fn workflow(
        &self,
        view: &View,
        which: Which<WorkflowId>,
        want: SharePermission,
    ) -> Result<Workflow, RpcError> {
        match which {
            Which::Id(id) => Ok(view.workflow(id, want)?),
            named => Ok(view.workflow_named(&spelled(named), want)?),
        }
    }

    /// The same without its document, which may be a megabyte.
    pub fn workflow_head(
        &self,
        view: &View,
        which: Which<WorkflowId>,
        want: SharePermission,
    ) -> Result<Workflow, RpcError> {
        match which {
            Which::Id(id) => Ok(view.workflow_head(id, want)?),
            named => Ok(view.workflow_head_named(&spelled(named), want)?),
        }
    }

    /// Refuses where the daemon belongs to one person.
    pub fn several_people(&self) -> Result<(), RpcError> {
        match self.info.mode {
            Mode::System => Ok(()),
            Mode::User => Err(people::refuse_in_user_mode().into()),
        }
    }

    /// Refuses where the caller's role is not enough.
    pub fn needs(&self, call: &Call, role: Role) -> Result<(), RpcError> {
        let caller = call.caller()?;
        if caller.role >= role {
            return Ok(());
        }
        let message = format!("this needs the role {}", role.as_str());
        Err(RpcError::new(ErrorKind::Forbidden, message)
            .hint(format!("you have {}", caller.role.as_str())))
    }
}

/// Which page a list wants.
pub(super) fn paging<F>(list: &List<F>) -> Paging {
    Paging {
        limit: list.limit(),
        cursor: list.cursor.clone(),
        newest_first: list.sort != Some(Sort::Oldest),
    }
}

/// A page of the store as a page of the contract.
pub(super) fn page<T>(page: store::Page<T>) -> a2n_proto::api::Page<T> {
    a2n_proto::api::Page { items: page.items, next_cursor: page.next_cursor }
}

/// The one value that a filter names; none where it names several or none.
pub(super) fn only<T: Clone>(wanted: &Option<Match<T>>) -> Option<T> {
    match wanted {
        Some(Match::Is(value)) => Some(value.clone()),
        _ => None,
    }
}

/// The values that a filter names one by one; none where it does not.
pub(super) fn named<T: Clone>(wanted: &Option<Match<T>>) -> Option<Vec<T>> {
    match wanted {
        Some(Match::Is(value)) => Some(vec![value.clone()]),
        Some(Match::In(values)) => Some(values.clone()),
        Some(Match::Range { .. } | Match::Text(_)) | None => None,
    }
}

/// The time that a filter leaves: from (included) to (left out).
pub(super) fn span(wanted: &Option<Match<Timestamp>>) -> (Option<Timestamp>, Option<Timestamp>) {
    let after = |at: &Timestamp| at.plus(std::time::Duration::from_millis(1));
    match wanted {
        Some(Match::Range { gte, lt }) => (*gte, *lt),
        Some(Match::Is(at)) => (Some(*at), Some(after(at))),
        Some(Match::In(all)) => (all.iter().min().copied(), all.iter().max().map(after)),
        Some(Match::Text(_)) | None => (None, None),
    }
}

/// Where a list that is cut out of a whole one begins: its cursor is the place of the next row.
pub(super) fn place(cursor: Option<&str>) -> Result<usize, RpcError> {
    match cursor {
        None => Ok(0),
        Some(cursor) => cursor.parse().map_err(|_| bad_cursor()),
    }
}

/// A cursor that the list did not give.
pub(super) fn bad_cursor() -> RpcError {
    store::Error::BadCursor.into()
}

/// A workflow's name as the store looks it up.
fn spelled(which: Which<WorkflowId>) -> String {
    match which {
        Which::Id(id) => id.to_string(),
        Which::Name(name) => name,
        Which::OwnersName { owner, name } => format!("{owner}/{name}"),
    }
}
