//! What a caller sees: the one handle through which people's data is read for them.
//!
//! OWNER and ADMIN reach everything; a USER reaches their own workflows, those shared with them
//! (by permission, until the share expires) and the documents of PUBLIC and TEMPLATE ones. Runs,
//! triggers and plans of a workflow follow its owner and shares, never its visibility: they carry
//! data. What may not be seen is *not found*; what is seen but not allowed is *forbidden*.

use a2n_proto::api::auth::Via;
use a2n_proto::execution::{Execution, ExecutionSchedule};
use a2n_proto::identity::Role;
use a2n_proto::workflow::{
    SharePermission, Visibility, Workflow, WorkflowComment, WorkflowShare, WorkflowTrigger,
    WorkflowVersion,
};
use a2n_proto::{
    ExecutionId, ExecutionScheduleId, Timestamp, UserId, WorkflowCommentId, WorkflowId,
    WorkflowShareId, WorkflowTriggerId, WorkflowVersionId,
};

use super::rows::{Page, Paging};
use super::{
    Error, Read, Snapshot, Store, account, execution, execution_schedule, user, workflow,
    workflow_comment, workflow_share, workflow_trigger, workflow_version,
};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// What people call them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The peer's user in the operating system.
    pub uid: Option<u32>,
    /// How they showed who they are.
    pub via: Via,
}

impl Caller {
    /// Whether their role reaches everyone's things.
    pub const fn reaches_all(&self) -> bool {
        matches!(self.role, Role::Owner | Role::Admin)
    }
}

/// The store as one caller sees it at one moment; each call reads anew.
#[derive(Debug, Clone)]
pub struct View {
    store: Store,
    caller: Caller,
    at: Timestamp,
}

impl Store {
    /// The store as this caller sees it now.
    pub fn as_caller(&self, caller: Caller, at: Timestamp) -> View {
        View { store: self.clone(), caller, at }
    }
}

impl View {
    /// Who asks.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The moment that shares are judged by.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    fn read(&self) -> Result<Snapshot, Error> {
        self.store.read()
    }

    fn eyes<'e, R: Read>(&'e self, read: &'e R) -> Eyes<'e, R> {
        Eyes { read, caller: &self.caller, at: self.at }
    }

    /// A workflow with its document.
    pub fn workflow(&self, id: WorkflowId, want: SharePermission) -> Result<Workflow, Error> {
        let read = self.read()?;
        check_workflow(&read, &self.caller, self.at, id, want)?;
        workflow::require(&read, id)
    }

    /// The workflow that a name means: the caller's own, else `owner/name` or the only visible one.
    pub fn workflow_named(&self, name: &str, want: SharePermission) -> Result<Workflow, Error> {
        let read = self.read()?;
        let id = find_workflow(&read, &self.caller, self.at, name)?;
        check_workflow(&read, &self.caller, self.at, id, want)?;
        workflow::require(&read, id)
    }

    /// The workflows that they see and that fit.
    pub fn workflows(
        &self,
        query: &workflow::Query,
        paging: &Paging,
    ) -> Result<Page<Workflow>, Error> {
        let read = self.read()?;
        let eyes = self.eyes(&read);
        workflow::list_where(&read, query, paging, &mut |one| eyes.sees_workflow(one))
    }

    /// A version with its document.
    pub fn version(&self, id: WorkflowVersionId) -> Result<WorkflowVersion, Error> {
        let read = self.read()?;
        let version = workflow_version::require(&read, id)?;
        let hidden = Error::NotFound { entity: "workflowVersion", id: id.to_string() };
        self.eyes(&read).workflow(version.workflow_id)?.ok_or(hidden)?;
        Ok(version)
    }

    /// A workflow's version by its number, with its document.
    pub fn version_of(&self, id: WorkflowId, number: u32) -> Result<WorkflowVersion, Error> {
        let read = self.read()?;
        check_workflow(&read, &self.caller, self.at, id, SharePermission::View)?;
        let found = workflow_version::find(&read, id, number)?;
        let missing =
            || Error::NotFound { entity: "workflowVersion", id: format!("{id}/{number}") };
        found.ok_or_else(missing)
    }

    /// A workflow's versions.
    pub fn versions(
        &self,
        id: WorkflowId,
        paging: &Paging,
    ) -> Result<Page<WorkflowVersion>, Error> {
        let read = self.read()?;
        check_workflow(&read, &self.caller, self.at, id, SharePermission::View)?;
        workflow_version::list(&read, id, paging)
    }

    /// A trigger.
    pub fn trigger(
        &self,
        id: WorkflowTriggerId,
        want: SharePermission,
    ) -> Result<WorkflowTrigger, Error> {
        let read = self.read()?;
        let trigger = workflow_trigger::require(&read, id)?;
        let name = ("workflowTrigger", id.to_string());
        self.eyes(&read).within(trigger.workflow_id, None, want, name)?;
        Ok(trigger)
    }

    /// The triggers that they see and that fit.
    pub fn triggers(
        &self,
        query: &workflow_trigger::Query,
        paging: &Paging,
    ) -> Result<Page<WorkflowTrigger>, Error> {
        let read = self.read()?;
        let eyes = self.eyes(&read);
        let sees = &mut |one: &WorkflowTrigger| eyes.sees_within(one.workflow_id, None);
        workflow_trigger::list_where(&read, query, paging, sees)
    }

    /// A share; those it is for see it too.
    pub fn share(
        &self,
        id: WorkflowShareId,
        want: SharePermission,
    ) -> Result<WorkflowShare, Error> {
        let read = self.read()?;
        let share = workflow_share::require(&read, id)?;
        if want == SharePermission::View && share.shared_with_user_id == self.caller.user {
            return Ok(share);
        }
        let name = ("workflowShare", id.to_string());
        self.eyes(&read).within(share.workflow_id, None, want, name)?;
        Ok(share)
    }

    /// The shares of a workflow, for those who may share it.
    pub fn shares(&self, id: WorkflowId, paging: &Paging) -> Result<Page<WorkflowShare>, Error> {
        let read = self.read()?;
        check_workflow(&read, &self.caller, self.at, id, SharePermission::Admin)?;
        workflow_share::list(&read, id, paging)
    }

    /// A comment.
    pub fn comment(&self, id: WorkflowCommentId) -> Result<WorkflowComment, Error> {
        let read = self.read()?;
        let comment = workflow_comment::require(&read, id)?;
        let hidden = Error::NotFound { entity: "workflowComment", id: id.to_string() };
        self.eyes(&read).workflow(comment.workflow_id)?.ok_or(hidden)?;
        Ok(comment)
    }

    /// The comments on a workflow.
    pub fn comments(
        &self,
        id: WorkflowId,
        paging: &Paging,
    ) -> Result<Page<WorkflowComment>, Error> {
        let read = self.read()?;
        check_workflow(&read, &self.caller, self.at, id, SharePermission::View)?;
        workflow_comment::list(&read, id, paging)
    }

    /// An execution with its data.
    pub fn execution(&self, id: ExecutionId, want: SharePermission) -> Result<Execution, Error> {
        let read = self.read()?;
        check_execution(&read, &self.caller, self.at, id, want)?;
        execution::require(&read, id)
    }

    /// An execution without its data.
    pub fn execution_head(
        &self,
        id: ExecutionId,
        want: SharePermission,
    ) -> Result<Execution, Error> {
        check_execution(&self.read()?, &self.caller, self.at, id, want)
    }

    /// The engine's packed state of an execution that they see.
    pub fn execution_state(&self, id: ExecutionId) -> Result<Option<Vec<u8>>, Error> {
        let read = self.read()?;
        check_execution(&read, &self.caller, self.at, id, SharePermission::View)?;
        execution::state(&read, id)
    }

    /// The executions that they see and that fit, without their data.
    pub fn executions(
        &self,
        query: &execution::Query,
        paging: &Paging,
    ) -> Result<Page<Execution>, Error> {
        let read = self.read()?;
        let eyes = self.eyes(&read);
        let sees = &mut |one: &Execution| eyes.sees_within(one.workflow_id, Some(one.user_id));
        execution::list_where(&read, query, paging, sees)
    }

    /// A planned run.
    pub fn schedule(
        &self,
        id: ExecutionScheduleId,
        want: SharePermission,
    ) -> Result<ExecutionSchedule, Error> {
        let read = self.read()?;
        let plan = execution_schedule::require(&read, id)?;
        let name = ("executionSchedule", id.to_string());
        self.eyes(&read).within(plan.workflow_id, None, want, name)?;
        Ok(plan)
    }

    /// The planned runs that they see and that fit.
    pub fn schedules(
        &self,
        query: &execution_schedule::Query,
        paging: &Paging,
    ) -> Result<Page<ExecutionSchedule>, Error> {
        let read = self.read()?;
        let eyes = self.eyes(&read);
        let sees = &mut |one: &ExecutionSchedule| eyes.sees_within(one.workflow_id, None);
        execution_schedule::list_where(&read, query, paging, sees)
    }

    /// Whether they see a change of the feed.
    pub fn sees_change(&self, change: &a2n_proto::Change) -> Result<bool, Error> {
        if self.caller.reaches_all() {
            return Ok(true);
        }
        let Some(workflow) = change.workflow_id else {
            return Ok(change.entity == "user" && change.id == self.caller.user.to_string());
        };
        let read = self.read()?;
        let eyes = self.eyes(&read);
        match change.execution_id {
            Some(id) => {
                let user = execution::head(&read, id)?.map(|execution| execution.user_id);
                eyes.sees_within(workflow, user)
            }
            None if change.entity == "workflow" => Ok(eyes.workflow(workflow)?.is_some()),
            None => eyes.sees_within(workflow, None),
        }
    }
}

/// The workflow without its document, where the caller sees it and has the permission; for the
/// transaction of a write too.
pub fn check_workflow(
    read: &impl Read,
    caller: &Caller,
    at: Timestamp,
    id: WorkflowId,
    want: SharePermission,
) -> Result<Workflow, Error> {
    let eyes = Eyes { read, caller, at };
    let found = eyes.workflow(id)?;
    let one = found.ok_or_else(|| Error::NotFound { entity: "workflow", id: id.to_string() })?;
    if want == SharePermission::View || eyes.may(&one, want)? {
        return Ok(one);
    }
    Err(Error::Forbidden { entity: "workflow", id: id.to_string(), need: permission_name(want) })
}

/// The execution without its data, where the caller sees it and has the permission; for the
/// transaction of a write too.
pub fn check_execution(
    read: &impl Read,
    caller: &Caller,
    at: Timestamp,
    id: ExecutionId,
    want: SharePermission,
) -> Result<Execution, Error> {
    let missing = || Error::NotFound { entity: "execution", id: id.to_string() };
    let execution = execution::head(read, id)?.ok_or_else(missing)?;
    let name = ("execution", id.to_string());
    let eyes = Eyes { read, caller, at };
    eyes.within(execution.workflow_id, Some(execution.user_id), want, name)?;
    Ok(execution)
}

/// The workflow that a name means to the caller.
pub fn find_workflow(
    read: &impl Read,
    caller: &Caller,
    at: Timestamp,
    name: &str,
) -> Result<WorkflowId, Error> {
    if let Some(own) = workflow::find_by_name(read, caller.user, name)? {
        return Ok(own);
    }
    let eyes = Eyes { read, caller, at };
    let missing = || Error::NotFound { entity: "workflow", id: name.to_owned() };
    if let Some((owner, rest)) = name.split_once('/') {
        for one in visible_named(&eyes, rest)? {
            if owner_names(read, one.user_id)?.iter().any(|known| known == owner) {
                return Ok(one.id);
            }
        }
    }
    let visible = visible_named(&eyes, name)?;
    match visible.as_slice() {
        [] => Err(missing()),
        [one] => Ok(one.id),
        several => {
            let mut candidates = Vec::new();
            for one in several {
                let owner = owner_names(read, one.user_id)?.into_iter().next();
                candidates.push(format!("{}/{}", owner.unwrap_or_default(), one.name));
            }
            Err(Error::Ambiguous { entity: "workflow", name: name.to_owned(), candidates })
        }
    }
}

fn visible_named<R: Read>(eyes: &Eyes<'_, R>, name: &str) -> Result<Vec<Workflow>, Error> {
    let mut visible = Vec::new();
    for one in workflow::find_named(eyes.read, name)? {
        if eyes.sees_workflow(&one)? {
            visible.push(one);
        }
    }
    Ok(visible)
}

/// What an owner may be called before the slash: login name, email, name.
fn owner_names(read: &impl Read, id: UserId) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for account in account::list(read, id)? {
        names.extend(account.login_name);
    }
    if let Some(user) = user::get(read, id)? {
        names.extend(user.email);
        names.push(user.name);
    }
    Ok(names)
}

/// Looks at single things for a caller.
struct Eyes<'e, R: Read> {
    read: &'e R,
    caller: &'e Caller,
    at: Timestamp,
}

impl<R: Read> Eyes<'_, R> {
    /// The workflow, where it is there and they see it.
    fn workflow(&self, id: WorkflowId) -> Result<Option<Workflow>, Error> {
        match workflow::head(self.read, id)? {
            Some(one) if self.sees_workflow(&one)? => Ok(Some(one)),
            _ => Ok(None),
        }
    }

    fn sees_workflow(&self, one: &Workflow) -> Result<bool, Error> {
        let is_open = matches!(one.visibility, Visibility::Public | Visibility::Template);
        Ok(is_open || self.may(one, SharePermission::View)?)
    }

    /// Whether owner, role or a share gives them this permission.
    fn may(&self, one: &Workflow, want: SharePermission) -> Result<bool, Error> {
        if self.caller.reaches_all() || one.user_id == self.caller.user {
            return Ok(true);
        }
        let has = workflow_share::permission(self.read, one.id, self.caller.user, self.at)?;
        Ok(has.is_some_and(|has| grants(has, want)))
    }

    /// Whether they see what belongs to a workflow and carries data; `user` is whose it is.
    fn sees_within(&self, id: WorkflowId, user: Option<UserId>) -> Result<bool, Error> {
        let Some(one) = workflow::head(self.read, id)? else { return Ok(false) };
        Ok(user == Some(self.caller.user) || self.may(&one, SharePermission::View)?)
    }

    /// Lets them at what belongs to a workflow; their own they may also steer.
    fn within(
        &self,
        id: WorkflowId,
        user: Option<UserId>,
        want: SharePermission,
        (entity, name): (&'static str, String),
    ) -> Result<(), Error> {
        let Some(one) = workflow::head(self.read, id)? else {
            return Err(Error::NotFound { entity, id: name });
        };
        if !(user == Some(self.caller.user) || self.may(&one, SharePermission::View)?) {
            return Err(Error::NotFound { entity, id: name });
        }
        if want == SharePermission::View || self.may(&one, want)? {
            return Ok(());
        }
        Err(Error::Forbidden { entity, id: name, need: permission_name(want) })
    }
}

/// Whether a share's permission covers what is wanted: ADMIN covers all, each covers VIEW, EDIT
/// and EXECUTE stand apart.
pub const fn grants(has: SharePermission, want: SharePermission) -> bool {
    use SharePermission::{Admin, Edit, Execute, View};
    matches!((has, want), (Admin, _) | (_, View) | (Edit, Edit) | (Execute, Execute))
}

/// A permission's name on the wire.
pub const fn permission_name(permission: SharePermission) -> &'static str {
    match permission {
        SharePermission::View => "VIEW",
        SharePermission::Edit => "EDIT",
        SharePermission::Execute => "EXECUTE",
        SharePermission::Admin => "ADMIN",
    }
}
