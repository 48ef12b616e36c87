//! workflowVersion: snapshots of a workflow's document; the number is unique per workflow.

use a2n_proto::workflow::WorkflowVersion;
use a2n_proto::{Json, WorkflowId, WorkflowVersionId};

use super::keys::{Key, KeyReader};
use super::rows::{self, Page, Paging, Stored, Unique};
use super::schema::{self, Table, VERSION, VERSION_BY_WORKFLOW, VERSION_DEFINITION};
use super::{Error, Read, Tx, user, workflow};

impl Stored for WorkflowVersion {
    const TABLE: Table = VERSION;
    const ENTITY: &'static str = "workflowVersion";
}

/// The version with its document.
pub fn get(read: &impl Read, id: WorkflowVersionId) -> Result<Option<WorkflowVersion>, Error> {
    let Some(mut version) = rows::get::<WorkflowVersion>(read, id.as_bytes())? else {
        return Ok(None);
    };
    version.definition = rows::get_as(read, VERSION_DEFINITION, id.as_bytes())?.unwrap_or_default();
    Ok(Some(version))
}

/// The same, or *not found*.
pub fn require(read: &impl Read, id: WorkflowVersionId) -> Result<WorkflowVersion, Error> {
    get(read, id)?.ok_or_else(|| Error::NotFound { entity: "workflowVersion", id: id.to_string() })
}

/// A workflow's version by its number, with its document.
pub fn find(
    read: &impl Read,
    workflow: WorkflowId,
    version: u32,
) -> Result<Option<WorkflowVersion>, Error> {
    let key = Key::of_id(workflow.as_bytes()).u32(version);
    match rows::unique_id(read, VERSION_BY_WORKFLOW, &key)? {
        Some(id) => get(read, WorkflowVersionId::from_bytes(id)),
        None => Ok(None),
    }
}

/// The document of a workflow's version.
pub fn definition(
    read: &impl Read,
    workflow: WorkflowId,
    version: u32,
) -> Result<Option<Json>, Error> {
    let key = Key::of_id(workflow.as_bytes()).u32(version);
    match rows::unique_id(read, VERSION_BY_WORKFLOW, &key)? {
        Some(id) => rows::get_as(read, VERSION_DEFINITION, &id),
        None => Ok(None),
    }
}

/// The highest number that a workflow's versions have; 0 where it has none.
pub fn last(read: &impl Read, workflow: WorkflowId) -> Result<u32, Error> {
    let mut last = 0;
    let range = Key::of_id(workflow.as_bytes()).under();
    read.scan(VERSION_BY_WORKFLOW, &range, true, &mut |key, _| {
        let mut reader = KeyReader::new(key);
        let _ = reader.id();
        last = reader.u32().unwrap_or(0);
        Ok(std::ops::ControlFlow::Break(()))
    })?;
    Ok(last)
}

/// A workflow's versions that fit, without their documents, newest first unless asked otherwise.
pub(crate) fn list(
    read: &impl Read,
    workflow: WorkflowId,
    paging: &Paging,
    fits: &dyn Fn(&WorkflowVersion) -> bool,
) -> Result<Page<WorkflowVersion>, Error> {
    let range = Key::of_id(workflow.as_bytes()).under();
    rows::page(read, VERSION_BY_WORKFLOW, range, paging, &mut |key, _| match rows::unique_id(
        read,
        VERSION_BY_WORKFLOW,
        &Key::of_bytes(key),
    )? {
        Some(id) => Ok(rows::get(read, &id)?.filter(|version| fits(version))),
        None => Ok(None),
    })
}

/// Writes a version with its indexes; a `null` document is left as it is.
pub fn put(tx: &mut Tx<'_>, version: &WorkflowVersion) -> Result<(), Error> {
    workflow::check(tx, version.workflow_id, "workflowVersion")?;
    user::check(tx, version.user_id, "workflowVersion", "userId")?;
    let key = Key::of_id(version.id.as_bytes());
    let old: Option<WorkflowVersion> = rows::get(tx, key.as_bytes())?;
    rows::move_unique(
        tx,
        &Unique {
            table: VERSION_BY_WORKFLOW,
            entity: "workflowVersion",
            field: "version",
            value: &version.version.to_string(),
        },
        old.as_ref().map(by_workflow),
        Some(by_workflow(version)),
        version.id.as_bytes(),
    )?;
    if !version.definition.is_null() {
        rows::put_as(tx, VERSION_DEFINITION, &key, &version.definition)?;
    }
    rows::put(tx, &key, &WorkflowVersion { definition: Json::null(), ..version.clone() })
}

/// Removes a version.
pub fn remove(tx: &mut Tx<'_>, id: WorkflowVersionId) -> Result<(), Error> {
    let old: WorkflowVersion = rows::require(tx, id.as_bytes(), &id)?;
    let key = Key::of_id(id.as_bytes());
    rows::remove(tx, VERSION_BY_WORKFLOW, &by_workflow(&old))?;
    rows::remove(tx, VERSION_DEFINITION, &key)?;
    rows::remove(tx, schema::VERSION, &key).map(|_| ())
}

pub(crate) fn by_workflow(version: &WorkflowVersion) -> Key {
    Key::of_id(version.workflow_id.as_bytes()).u32(version.version)
}
