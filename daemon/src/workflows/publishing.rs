//! Publishing: which version triggers run, and the triggers that its document declares.

use std::collections::BTreeSet;

use a2n_proto::document::Document;
use a2n_proto::workflow::{Workflow, WorkflowTrigger, WorkflowVersion};
use a2n_proto::{Json, UserId, WorkflowId, WorkflowTriggerId};
use serde_json::json;

use super::saving::{Edit, fresh, remove_in, save_in};
use super::{Checked, Error, Workflows, configuration};
use crate::access::record;
use crate::engine::plan::Unsupported;
use crate::store::{Origin, Tx, workflow, workflow_trigger, workflow_version};
use crate::system::System;
use crate::triggers::ledger;

/// What the metadata of a trigger says where a document declares it.
const DOCUMENT: &str = "DOCUMENT";

/// Where to go back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollback {
    /// Which workflow.
    pub id: WorkflowId,
    /// The version whose document is taken again.
    pub version: u32,
    /// Whether it is published at once.
    pub publish: bool,
    /// The revision that the caller saw.
    pub if_revision: Option<u64>,
    /// Who does it.
    pub user: UserId,
}

type Within = Box<dyn FnOnce(&mut Tx<'_>, WorkflowId) -> Result<(), Error> + Send>;

impl Workflows {
    /// Refuses what is valid but can't be run by this daemon.
    pub(crate) fn check_runnable(&self, checked: &Checked) -> Result<(), Error> {
        let plan = crate::engine::plan::Plan::new(&checked.document, self.plans.kinds().as_ref())
            .map_err(Error::Invalid)?;
        match plan.unsupported() {
            Some(what) => Err(Error::Unsupported(what.clone())),
            None => Ok(()),
        }
    }

    /// Makes a version the one that triggers run; the newest where none is named.
    pub async fn publish(
        &self,
        id: WorkflowId,
        version: Option<u32>,
        if_revision: Option<u64>,
        origin: Origin,
        within: Within,
    ) -> Result<Workflow, Error> {
        let this = self.clone();
        self.store
            .write_as(origin, move |tx| {
                let old = workflow::require(tx, id)?;
                fresh(&old, if_revision)?;
                let version = version.unwrap_or(old.version);
                if old.archived_at.is_some() {
                    return Err(Error::Archived(old.name));
                }
                let definition = require_version(tx, &old, version)?.definition;
                this.check_runnable(&this.check(tx, &definition, old.user_id, &[])?)?;
                let mut new = old.clone();
                new.revision += 1;
                new.updated_at = tx.at();
                let new = publish_in(tx, &this.system, &new, version)?;
                record::changed(tx, "workflow.publish", Some(&old), Some(&new), Some(id));
                within(tx, id)?;
                Ok(new)
            })
            .await
    }

    /// Takes the published version back: triggers start nothing, manual runs need `draft`.
    pub async fn unpublish(
        &self,
        id: WorkflowId,
        if_revision: Option<u64>,
        origin: Origin,
        within: Within,
    ) -> Result<Workflow, Error> {
        self.change(id, if_revision, "workflow.unpublish", origin, within, |tx, new| {
            if let Some(version) = new.published_version.take() {
                mark_version(tx, new.id, version, false)?;
            }
            Ok(())
        })
        .await
    }

    /// Archives a workflow (its triggers stop, lists hide it), or takes it back.
    pub async fn archive(
        &self,
        id: WorkflowId,
        archived: bool,
        if_revision: Option<u64>,
        origin: Origin,
        within: Within,
    ) -> Result<Workflow, Error> {
        self.change(id, if_revision, "workflow.archive", origin, within, move |tx, new| {
            if !archived && new.archived_at.is_some() {
                arm_from_now(tx, new.id)?;
            }
            // One that is archived already keeps its moment.
            new.archived_at = archived.then(|| new.archived_at.unwrap_or(tx.at()));
            Ok(())
        })
        .await
    }

    /// Takes an earlier version's document as the newest draft again.
    pub async fn rollback(
        &self,
        back: Rollback,
        origin: Origin,
        within: Within,
    ) -> Result<Workflow, Error> {
        let this = self.clone();
        let Rollback { id, version, publish, if_revision, user } = back;
        self.store
            .write_as(origin, move |tx| {
                let old = workflow::require(tx, id)?;
                fresh(&old, if_revision)?;
                let definition = require_version(tx, &old, version)?.definition;
                let checked = this.check(tx, &definition, old.user_id, &[])?;
                if publish {
                    this.check_runnable(&checked)?;
                }
                let edit = Edit {
                    id,
                    patch: Json::object(),
                    if_revision: None,
                    publish,
                    change_log: Some(format!("back to version {version}")),
                    user,
                };
                let saved = save_in(tx, &this.system, &old, old.clone(), &checked, &edit)?;
                within(tx, id)?;
                Ok(saved)
            })
            .await
    }

    /// Deletes a workflow. Refused while executions are unfinished, unless `force`.
    pub async fn delete(
        &self,
        id: WorkflowId,
        if_revision: Option<u64>,
        force: bool,
        origin: Origin,
        within: Within,
    ) -> Result<(), Error> {
        self.store
            .write_as(origin, move |tx| {
                let old = workflow::require(tx, id)?;
                fresh(&old, if_revision)?;
                remove_in(tx, &old, force)?;
                within(tx, id)
            })
            .await
    }

    async fn change(
        &self,
        id: WorkflowId,
        if_revision: Option<u64>,
        action: &'static str,
        origin: Origin,
        within: Within,
        change: impl FnOnce(&mut Tx<'_>, &mut Workflow) -> Result<(), Error> + Send + 'static,
    ) -> Result<Workflow, Error> {
        self.store
            .write_as(origin, move |tx| {
                let old = workflow::require(tx, id)?;
                fresh(&old, if_revision)?;
                let mut new = old.clone();
                change(tx, &mut new)?;
                if new == old {
                    return Ok(old);
                }
                new.revision += 1;
                new.updated_at = tx.at();
                workflow::put(tx, &new)?;
                record::changed(tx, action, Some(&old), Some(&new), Some(id));
                within(tx, id)?;
                Ok(new)
            })
            .await
    }
}

/// Publishes a version of a workflow whose row is about to be written.
pub(super) fn publish_in(
    tx: &mut Tx<'_>,
    system: &System,
    workflow: &Workflow,
    version: u32,
) -> Result<Workflow, Error> {
    let mut new = workflow.clone();
    if let Some(before) = new.published_version.filter(|before| *before != version) {
        mark_version(tx, new.id, before, false)?;
    }
    let published = mark_version(tx, new.id, version, true)?;
    let was_off = new.published_version.is_none();
    new.published_version = Some(version);
    new.published_at = Some(tx.at());
    workflow::put(tx, &new)?;
    let document = Document::read(&published.definition).map_err(|error| {
        let what = format!("version {version} can't be read: {error}");
        Error::Unsupported(Unsupported { what, path: String::new() })
    })?;
    apply_triggers(tx, system, &new, &document)?;
    if was_off {
        arm_from_now(tx, new.id)?;
    }
    Ok(new)
}

/// Notes on a workflow's triggers that they are armed from now on: times before are not missed.
pub(super) fn arm_from_now(tx: &mut Tx<'_>, id: WorkflowId) -> Result<(), Error> {
    for old in workflow_trigger::of_workflow(tx, id)? {
        let mut new = old.clone();
        new.metadata = ledger::armed_at(&old.metadata, tx.at());
        new.revision += 1;
        new.updated_at = tx.at();
        workflow_trigger::put(tx, &new)?;
        record::changed(tx, "workflowTrigger.update", Some(&old), Some(&new), Some(id));
    }
    Ok(())
}

fn require_version(
    tx: &Tx<'_>,
    workflow: &Workflow,
    version: u32,
) -> Result<WorkflowVersion, Error> {
    let found = workflow_version::find(tx, workflow.id, version)?;
    Ok(found.ok_or_else(|| crate::store::Error::NotFound {
        entity: "workflowVersion",
        id: format!("{}@{version}", workflow.name),
    })?)
}

fn mark_version(
    tx: &mut Tx<'_>,
    workflow: WorkflowId,
    version: u32,
    is_published: bool,
) -> Result<WorkflowVersion, Error> {
    let old = workflow_version::find(tx, workflow, version)?.ok_or_else(|| {
        crate::store::Error::NotFound { entity: "workflowVersion", id: version.to_string() }
    })?;
    if old.is_published == is_published {
        return Ok(old);
    }
    let mut new = old.clone();
    new.is_published = is_published;
    new.revision += 1;
    new.updated_at = tx.at();
    workflow_version::put(tx, &new)?;
    record::changed(tx, "workflowVersion.update", Some(&old), Some(&new), Some(workflow));
    Ok(new)
}

/// Brings the rows of the triggers that the document declares up to it: same name, same row.
fn apply_triggers(
    tx: &mut Tx<'_>,
    system: &System,
    workflow: &Workflow,
    document: &Document,
) -> Result<(), Error> {
    let declared: BTreeSet<&str> = document.triggers.iter().map(|t| t.name.as_str()).collect();
    for old in workflow_trigger::of_workflow(tx, workflow.id)? {
        let is_documents = old.metadata.to_value()["origin"] == DOCUMENT;
        if is_documents && !declared.contains(old.name.as_str()) {
            workflow_trigger::remove(tx, old.id)?;
            record::changed(tx, "workflowTrigger.delete", Some(&old), None, Some(workflow.id));
        }
    }
    for trigger in &document.triggers {
        let old = workflow_trigger::find_by_name(tx, workflow.id, &trigger.name)?;
        let mut new = old.clone().unwrap_or_else(|| WorkflowTrigger {
            id: WorkflowTriggerId::from_bytes(system.new_id()),
            revision: 0,
            created_at: tx.at(),
            updated_at: tx.at(),
            kind: trigger.kind,
            name: trigger.name.clone(),
            description: None,
            is_active: true,
            configuration: Json::object(),
            metadata: Json::from(json!({"origin": DOCUMENT})),
            arm_error: None,
            trigger_count: 0,
            last_triggered_at: None,
            workflow_id: workflow.id,
            user_id: workflow.user_id,
        });
        new.kind = trigger.kind;
        new.description.clone_from(&trigger.description);
        new.configuration = configuration(trigger);
        new.is_active = trigger.is_active.unwrap_or(new.is_active);
        if old.as_ref() == Some(&new) {
            continue;
        }
        new.metadata = ledger::armed_at(&new.metadata, tx.at());
        new.revision += 1;
        new.updated_at = tx.at();
        workflow_trigger::put(tx, &new)?;
        let action =
            if old.is_some() { "workflowTrigger.update" } else { "workflowTrigger.create" };
        record::changed(tx, action, old.as_ref(), Some(&new), Some(workflow.id));
    }
    Ok(())
}
