//! Making and changing workflows: every save that changes the document makes a version.

use a2n_proto::merge_patch::{self, members, object};
use a2n_proto::workflow::{Visibility, Workflow, WorkflowVersion};
use a2n_proto::{Json, UserId, WorkflowId, WorkflowVersionId};

use super::{Checked, Error, Workflows};
use crate::access::record;
use crate::store::{Origin, Tx, workflow, workflow_trigger, workflow_version};
use crate::system::System;

/// A workflow that is to be made.
#[derive(Debug, Clone)]
pub struct NewWorkflow {
    /// Its document.
    pub definition: Json,
    /// Whose it is.
    pub user: UserId,
    /// Whether its first version is published at once.
    pub publish: bool,
    /// Whether its triggers are armed.
    pub is_active: bool,
    /// Whether it is offered for copying.
    pub is_template: bool,
    /// Kept with the version.
    pub change_log: Option<String>,
}

/// A change of a workflow.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Which.
    pub id: WorkflowId,
    /// JSON Merge Patch of its members.
    pub patch: Json,
    /// The revision that the caller saw.
    pub if_revision: Option<u64>,
    /// Whether what comes of it is published at once.
    pub publish: bool,
    /// Kept with the version.
    pub change_log: Option<String>,
    /// Who changes it.
    pub user: UserId,
}

/// Members of a workflow that stand in its document; a patch of one changes the document.
const IN_DOCUMENT: &[&str] =
    &["name", "description", "tags", "category", "visibility", "variables", "settings"];

impl Workflows {
    /// Makes a workflow with version 1. `within` runs in the same transaction, with its id.
    pub async fn create(
        &self,
        new: NewWorkflow,
        origin: Origin,
        within: impl FnOnce(&mut Tx<'_>, WorkflowId) -> Result<(), Error> + Send + 'static,
    ) -> Result<Workflow, Error> {
        let checked = self.check(&self.store.read()?, &new.definition, new.user, &[])?;
        if new.publish {
            self.check_runnable(&checked)?;
        }
        let system = self.system.clone();
        self.store
            .write_as(origin, move |tx| {
                let made = create_in(tx, &system, &new, &checked)?;
                within(tx, made.id)?;
                Ok(made)
            })
            .await
    }

    /// Changes a workflow. A save that changes nothing makes no version and no revision.
    pub async fn update(
        &self,
        edit: Edit,
        origin: Origin,
        within: impl FnOnce(&mut Tx<'_>, WorkflowId) -> Result<(), Error> + Send + 'static,
    ) -> Result<Workflow, Error> {
        let this = self.clone();
        self.store
            .write_as(origin, move |tx| {
                let old = workflow::require(tx, edit.id)?;
                fresh(&old, edit.if_revision)?;
                let new = this.patched(&old, &edit.patch)?;
                let checked = this.check(tx, &new.definition, old.user_id, &[])?;
                if edit.publish {
                    this.check_runnable(&checked)?;
                }
                let saved = save_in(tx, &this.system, &old, new, &checked, &edit)?;
                within(tx, saved.id)?;
                Ok(saved)
            })
            .await
    }

    /// The workflow as a patch would make it, its document included.
    fn patched(&self, old: &Workflow, patch: &Json) -> Result<Workflow, Error> {
        let patched: Workflow = merge_patch::apply(old, patch)?;
        let Some(named) = members(patch) else { return Ok(patched) };
        let of_document: Vec<(String, Json)> =
            named.into_iter().filter(|(name, _)| IN_DOCUMENT.contains(&name.as_str())).collect();
        let definition = if of_document.is_empty() {
            patched.definition.clone()
        } else {
            merge_patch::merge(&patched.definition, &object(&of_document))
        };
        Ok(Workflow { definition, ..patched })
    }
}

/// Refuses where the caller saw another revision.
pub(super) fn fresh(workflow: &Workflow, if_revision: Option<u64>) -> Result<(), Error> {
    match if_revision {
        Some(given) if given != workflow.revision => {
            Err(Error::Stale { given, current: workflow.revision })
        }
        _ => Ok(()),
    }
}

/// Writes a new workflow, its first version, and (where wanted) publishes it.
pub(super) fn create_in(
    tx: &mut Tx<'_>,
    system: &System,
    new: &NewWorkflow,
    checked: &Checked,
) -> Result<Workflow, Error> {
    let at = tx.at();
    let mut made = Workflow {
        id: WorkflowId::from_bytes(system.new_id()),
        revision: 1,
        created_at: at,
        updated_at: at,
        name: String::new(),
        description: None,
        definition: checked.definition.clone(),
        is_active: new.is_active,
        is_template: new.is_template,
        visibility: Visibility::Private,
        version: 1,
        published_version: None,
        tags: Vec::new(),
        category: None,
        variables: Json::object(),
        settings: checked.document.settings.clone(),
        execution_count: 0,
        success_count: 0,
        failure_count: 0,
        last_executed_at: None,
        avg_execution_time: None,
        published_at: None,
        archived_at: None,
        user_id: new.user,
    };
    from_document(&mut made, checked);
    workflow::put(tx, &made)?;
    put_version(tx, system, &made, new.user, new.change_log.clone())?;
    let made =
        if new.publish { super::publishing::publish_in(tx, system, &made, 1)? } else { made };
    record::changed(tx, "workflow.create", None, Some(&made), Some(made.id));
    Ok(made)
}

/// Writes a changed workflow with a new version where the document changed.
pub(super) fn save_in(
    tx: &mut Tx<'_>,
    system: &System,
    old: &Workflow,
    mut new: Workflow,
    checked: &Checked,
    edit: &Edit,
) -> Result<Workflow, Error> {
    from_document(&mut new, checked);
    let same_document = new.definition == old.definition;
    let to_publish = edit.publish && !(same_document && old.published_version == Some(old.version));
    if same_document && !to_publish && new == *old {
        return Ok(old.clone());
    }
    new.revision = old.revision + 1;
    new.updated_at = tx.at();
    if !same_document {
        new.version = workflow_version::last(tx, old.id)? + 1;
    }
    workflow::put(tx, &new)?;
    if new.is_active && !old.is_active {
        super::publishing::arm_from_now(tx, new.id)?;
    }
    if !same_document {
        put_version(tx, system, &new, edit.user, edit.change_log.clone())?;
    }
    if to_publish {
        new = super::publishing::publish_in(tx, system, &new, new.version)?;
    }
    record::changed(tx, "workflow.update", Some(old), Some(&new), Some(new.id));
    Ok(new)
}

/// Takes over what the document says of the workflow itself.
fn from_document(workflow: &mut Workflow, checked: &Checked) {
    let document = &checked.document;
    workflow.definition = checked.definition.clone();
    workflow.name = document.name.clone();
    workflow.description = document.description.clone();
    workflow.tags = document.tags.clone();
    workflow.category = document.category.clone();
    workflow.settings = document.settings.clone();
    workflow.variables = Json::of(&document.variables);
    if let Some(visibility) = document.visibility {
        workflow.visibility = visibility;
    }
}

fn put_version(
    tx: &mut Tx<'_>,
    system: &System,
    workflow: &Workflow,
    user: UserId,
    change_log: Option<String>,
) -> Result<(), Error> {
    let at = tx.at();
    let version = WorkflowVersion {
        id: WorkflowVersionId::from_bytes(system.new_id()),
        revision: 1,
        created_at: at,
        updated_at: at,
        version: workflow.version,
        definition: workflow.definition.clone(),
        change_log,
        is_published: false,
        workflow_id: workflow.id,
        user_id: user,
    };
    workflow_version::put(tx, &version)?;
    record::changed(tx, "workflowVersion.create", None, Some(&version), Some(workflow.id));
    Ok(())
}

/// Removes a workflow with its triggers; what else belongs to it goes in slices.
pub(super) fn remove_in(tx: &mut Tx<'_>, old: &Workflow, force: bool) -> Result<(), Error> {
    for trigger in workflow_trigger::of_workflow(tx, old.id)? {
        record::changed(tx, "workflowTrigger.delete", Some(&trigger), None, Some(old.id));
    }
    workflow::remove(tx, old.id, force)?;
    record::changed(tx, "workflow.delete", Some(old), None, Some(old.id));
    Ok(())
}
