//! What the methods' bodies work with, and the few things that all of them do alike: who asks,
//! which page, the same answer for the same key.

use std::sync::Arc;

use a2n_proto::api::system::InfoAnswer;
use a2n_proto::api::{List, Match, Sort, Which};
use a2n_proto::identity::Role;
use a2n_proto::workflow::{SharePermission, Workflow};
use a2n_proto::{ErrorKind, ExecutionId, RpcError, Timestamp, WorkflowId};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Call;
use crate::engine::driving::handle::{Admission, Engine};
use crate::engine::driving::plans::Plans;
use crate::engine::driving::start::Starter;
use crate::nodes::Registry as Definitions;
use crate::operations::health::Health;
use crate::operations::metrics::{Looks, Metrics};
use crate::operations::settings::Settings;
use crate::store::logs::{LogStore, SystemLogs};
use crate::store::{self, Origin, Paging, Store, Tx, View, idempotency};
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
        Ok(match which {
            Which::Id(id) => view.workflow(id, want)?,
            Which::Name(name) => view.workflow_named(&name, want)?,
            Which::OwnersName { owner, name } => {
                view.workflow_named(&format!("{owner}/{name}"), want)?
            }
        })
    }

    /// The same without its document, which may be a megabyte.
    pub fn workflow_head(
        &self,
        view: &View,
        which: Which<WorkflowId>,
        want: SharePermission,
    ) -> Result<Workflow, RpcError> {
        Ok(match which {
            Which::Id(id) => view.workflow_head(id, want)?,
            Which::Name(name) => view.workflow_head_named(&name, want)?,
            Which::OwnersName { owner, name } => {
                view.workflow_head_named(&format!("{owner}/{name}"), want)?
            }
        })
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

/// A caller's idempotency key for one call.
#[derive(Debug, Clone)]
pub(super) struct Once {
    caller: String,
    method: &'static str,
    key: String,
    params: [u8; 32],
}

impl Once {
    /// The key of a call, where it has one. `params` are hashed, never kept.
    pub(super) fn of<P: Serialize>(
        call: &Call,
        key: Option<&str>,
        params: &P,
    ) -> Result<Option<Self>, RpcError> {
        let Some(key) = key else { return Ok(None) };
        if key.is_empty() || key.len() > 255 {
            let message = "idempotencyKey has to have 1 to 255 characters";
            return Err(RpcError::new(ErrorKind::Invalid, message).at("idempotencyKey"));
        }
        let text = serde_json::to_vec(params).expect("our types are JSON");
        Ok(Some(Self {
            caller: call.caller()?.user.to_string(),
            method: call.method,
            key: key.to_owned(),
            params: Sha256::digest(&text).into(),
        }))
    }

    /// The id that the same call was answered with before; an error where the params differ.
    pub(super) fn before(&self, context: &Context) -> Result<Option<String>, RpcError> {
        let snapshot = context.store.read()?;
        let window = context.settings.get(&crate::operations::settings::table::RPC_IDEMPOTENCY);
        let found = idempotency::find(
            &snapshot,
            &self.caller,
            self.method,
            &self.key,
            context.now(),
            window * 24 * 3_600_000,
        )?;
        match found {
            None => Ok(None),
            Some(answered) if answered.params_hash == self.params => Ok(Some(answered.result_id)),
            Some(_) => Err(self.conflict()),
        }
    }

    /// The same within the transaction that would use the key.
    pub(super) fn before_in(&self, tx: &Tx<'_>) -> Result<Option<String>, store::Error> {
        match idempotency::find_in(tx, &self.caller, self.method, &self.key)? {
            None => Ok(None),
            Some(answered) if answered.params_hash == self.params => Ok(Some(answered.result_id)),
            Some(answered) => Err(store::Error::Taken {
                entity: "idempotencyKey",
                field: "idempotencyKey",
                value: self.key.clone(),
                by: answered.result_id,
            }),
        }
    }

    /// For a start: the execution that the key was answered with before, else remembers this one.
    pub(super) fn admit(
        once: Option<&Self>,
        tx: &mut Tx<'_>,
        id: ExecutionId,
    ) -> Result<Admission, store::Error> {
        let Some(once) = once else { return Ok(Admission::New) };
        if let Some(result) = once.before_in(tx)?
            && let Ok(before) = result.parse()
        {
            return Ok(Admission::Already(before));
        }
        once.remember(tx, id)?;
        Ok(Admission::New)
    }

    /// Remembers the answer, in the transaction of the write.
    pub(super) fn remember(
        &self,
        tx: &mut Tx<'_>,
        result: impl std::fmt::Display,
    ) -> Result<(), store::Error> {
        idempotency::put(tx, &self.caller, self.method, &self.key, self.params, &result.to_string())
    }

    fn conflict(&self) -> RpcError {
        RpcError::new(
            ErrorKind::Conflict,
            format!("the idempotency key `{}` was used with other params", self.key),
        )
        .at("idempotencyKey")
        .hint("take a new key for a new call")
    }
}
