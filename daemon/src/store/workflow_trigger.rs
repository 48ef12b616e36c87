//! workflowTrigger: what starts executions; its name is unique in its workflow.

use a2n_proto::workflow::{TriggerType, WorkflowTrigger};
use a2n_proto::{WorkflowId, WorkflowTriggerId};

use super::keys::{Key, KeyRange};
use super::rows::{self, Page, Paging, Stored, Unique};
use super::schema::{self, TRIGGER, TRIGGER_BY_KIND, TRIGGER_BY_WORKFLOW, Table};
use super::{Error, Read, Tx, tombstone, user, workflow};

impl Stored for WorkflowTrigger {
    const TABLE: Table = TRIGGER;
    const ENTITY: &'static str = "workflowTrigger";
}

/// Which triggers a list wants.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Of one workflow.
    pub workflow: Option<WorkflowId>,
    /// Of one kind.
    pub kind: Option<TriggerType>,
    /// Switched on or off.
    pub is_active: Option<bool>,
    /// With this name.
    pub name: Option<String>,
}

/// The trigger with this id.
pub fn get(read: &impl Read, id: WorkflowTriggerId) -> Result<Option<WorkflowTrigger>, Error> {
    rows::get(read, id.as_bytes())
}

/// The same, or *not found*.
pub fn require(read: &impl Read, id: WorkflowTriggerId) -> Result<WorkflowTrigger, Error> {
    rows::require(read, id.as_bytes(), &id)
}

/// A workflow's trigger by its name.
pub fn find_by_name(
    read: &impl Read,
    workflow: WorkflowId,
    name: &str,
) -> Result<Option<WorkflowTrigger>, Error> {
    let key = Key::of_id(workflow.as_bytes()).text(name);
    match rows::unique_id(read, TRIGGER_BY_WORKFLOW, &key)? {
        Some(id) => rows::get(read, &id),
        None => Ok(None),
    }
}

/// All triggers of a workflow, by name.
pub fn of_workflow(read: &impl Read, workflow: WorkflowId) -> Result<Vec<WorkflowTrigger>, Error> {
    let query = Query { workflow: Some(workflow), ..Query::default() };
    let paging = Paging { limit: usize::MAX, cursor: None, newest_first: false };
    list(read, &query, &paging).map(|page| page.items)
}

/// Triggers that fit: by name in a workflow, else newest first unless asked otherwise.
pub fn list(
    read: &impl Read,
    query: &Query,
    paging: &Paging,
) -> Result<Page<WorkflowTrigger>, Error> {
    list_where(read, query, paging, &mut |_| Ok(true))
}

/// The same, without those that `sees` leaves out, and without those whose workflow is going.
pub(crate) fn list_where(
    read: &impl Read,
    query: &Query,
    paging: &Paging,
    sees: &mut dyn FnMut(&WorkflowTrigger) -> Result<bool, Error>,
) -> Result<Page<WorkflowTrigger>, Error> {
    let (table, range) = match (query.workflow, query.kind, query.is_active) {
        (Some(workflow), _, _) => (TRIGGER_BY_WORKFLOW, Key::of_id(workflow.as_bytes()).under()),
        (None, Some(kind), Some(active)) => {
            (TRIGGER_BY_KIND, Key::new().u8(kind as u8).flag(active).under())
        }
        _ => (TRIGGER, KeyRange::all()),
    };
    rows::page(read, table, range, paging, &mut |key, _| {
        let found = if table == TRIGGER_BY_WORKFLOW {
            rows::unique_id(read, table, &Key::of_bytes(key))?
        } else {
            super::keys::last_id(key)
        };
        let id = found.ok_or_else(|| read.damaged(table, key))?;
        let trigger = get(read, WorkflowTriggerId::from_bytes(id))?;
        let trigger = trigger.ok_or_else(|| read.damaged(table, key))?;
        let fits = query.kind.is_none_or(|kind| trigger.kind == kind)
            && query.is_active.is_none_or(|is_active| trigger.is_active == is_active)
            && query.name.as_ref().is_none_or(|name| trigger.name == *name)
            && rows::has(read, schema::WORKFLOW, trigger.workflow_id.as_bytes())?
            && sees(&trigger)?;
        Ok(fits.then_some(trigger))
    })
}

/// Writes a trigger with its indexes.
pub fn put(tx: &mut Tx<'_>, trigger: &WorkflowTrigger) -> Result<(), Error> {
    workflow::check(tx, trigger.workflow_id, "workflowTrigger")?;
    user::check(tx, trigger.user_id, "workflowTrigger", "userId")?;
    let key = Key::of_id(trigger.id.as_bytes());
    let old: Option<WorkflowTrigger> = rows::get(tx, key.as_bytes())?;
    rows::move_unique(
        tx,
        &Unique {
            table: TRIGGER_BY_WORKFLOW,
            entity: "workflowTrigger",
            field: "name",
            value: &trigger.name,
        },
        old.as_ref().map(by_workflow),
        Some(by_workflow(trigger)),
        trigger.id.as_bytes(),
    )?;
    rows::move_mark(tx, TRIGGER_BY_KIND, old.as_ref().map(by_kind), Some(by_kind(trigger)))?;
    rows::put(tx, &key, trigger)
}

/// Counts a start, in the transaction that accepts it.
pub fn count(tx: &mut Tx<'_>, id: WorkflowTriggerId) -> Result<(), Error> {
    let mut trigger = require(tx, id)?;
    trigger.trigger_count += 1;
    trigger.last_triggered_at = Some(tx.at());
    rows::put(tx, &Key::of_id(id.as_bytes()), &trigger)
}

/// Removes a trigger; its plans go and its executions forget it in slices (see `tombstone`).
pub fn remove(tx: &mut Tx<'_>, id: WorkflowTriggerId) -> Result<(), Error> {
    remove_row(tx, id)?;
    tombstone::put(tx, tombstone::Kind::Trigger, id.as_bytes())
}

/// Removes only the row and its indexes.
pub(crate) fn remove_row(tx: &mut Tx<'_>, id: WorkflowTriggerId) -> Result<(), Error> {
    let old: WorkflowTrigger = rows::require(tx, id.as_bytes(), &id)?;
    rows::remove(tx, TRIGGER_BY_WORKFLOW, &by_workflow(&old))?;
    rows::remove(tx, TRIGGER_BY_KIND, &by_kind(&old))?;
    rows::remove(tx, TRIGGER, &Key::of_id(id.as_bytes())).map(|_| ())
}

pub(crate) fn by_workflow(trigger: &WorkflowTrigger) -> Key {
    Key::of_id(trigger.workflow_id.as_bytes()).text(&trigger.name)
}

pub(crate) fn by_kind(trigger: &WorkflowTrigger) -> Key {
    Key::new().u8(trigger.kind as u8).flag(trigger.is_active).id(trigger.id.as_bytes())
}
