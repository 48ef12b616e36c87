//! What a caller sees: the one handle through which people's data is read for them.
//!
//! OWNER and ADMIN reach everything; a USER reaches their own workflows, those shared with them
//! (by permission, until the share expires) and the documents of PUBLIC and TEMPLATE ones. Runs,
//! triggers and plans of a workflow follow its owner and shares, never its visibility: they carry
//! data. What may not be seen is *not found*; what is seen but not allowed is *forbidden*.

mod eyes;

use a2n_proto::api::auth::Via;
use a2n_proto::event::Event;
use a2n_proto::execution::{Execution, ExecutionSchedule};
use a2n_proto::identity::{Account, Role, User, UserStatus};
use a2n_proto::workflow::{
    SharePermission, Workflow, WorkflowComment, WorkflowShare, WorkflowTrigger, WorkflowVersion,
};
use a2n_proto::{
    ExecutionId, ExecutionScheduleId, Timestamp, UserId, WorkflowCommentId, WorkflowId,
    WorkflowShareId, WorkflowTriggerId, WorkflowVersionId,
};

use super::rows::{Page, Paging};
use super::{
    Error, Read, Snapshot, Store, account, event, execution, execution_schedule, user, workflow,
    workflow_comment, workflow_share, workflow_trigger, workflow_version,
};

pub use eyes::{check_execution, check_workflow, find_workflow};

use eyes::Eyes;

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

/// What a list leaves out besides its query. It is asked while the list is read, so a page is full
/// and its cursor exact whatever is left out.
pub type Fits<'f, T> = &'f dyn Fn(&T) -> bool;

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

    /// A workflow without its document.
    pub fn workflow_head(&self, id: WorkflowId, want: SharePermission) -> Result<Workflow, Error> {
        check_workflow(&self.read()?, &self.caller, self.at, id, want)
    }

    /// The workflow that a name means, without its document.
    pub fn workflow_head_named(
        &self,
        name: &str,
        want: SharePermission,
    ) -> Result<Workflow, Error> {
        let read = self.read()?;
        let id = find_workflow(&read, &self.caller, self.at, name)?;
        check_workflow(&read, &self.caller, self.at, id, want)
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
        fits: Fits<'_, Workflow>,
    ) -> Result<Page<Workflow>, Error> {
        let read = self.read()?;
        let eyes = self.eyes(&read);
        let sees = &mut |one: &Workflow| Ok(fits(one) && eyes.sees_workflow(one)?);
        workflow::list_where(&read, query, paging, sees)
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

    /// A workflow's versions that fit.
    pub fn versions(
        &self,
        id: WorkflowId,
        paging: &Paging,
        fits: Fits<'_, WorkflowVersion>,
    ) -> Result<Page<WorkflowVersion>, Error> {
        let read = self.read()?;
        check_workflow(&read, &self.caller, self.at, id, SharePermission::View)?;
        workflow_version::list(&read, id, paging, fits)
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
        fits: Fits<'_, WorkflowTrigger>,
    ) -> Result<Page<WorkflowTrigger>, Error> {
        let read = self.read()?;
        let eyes = self.eyes(&read);
        let sees =
            &mut |one: &WorkflowTrigger| Ok(fits(one) && eyes.sees_within(one.workflow_id, None)?);
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
        let found = execution::require(&read, id)?;
        let name = ("execution", id.to_string());
        self.eyes(&read).within(found.workflow_id, Some(found.user_id), want, name)?;
        Ok(found)
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

    /// Iterations of loops that are over, of an execution that they see: at most `limit` after a
    /// place (`descending`: before it).
    pub fn execution_iterations(
        &self,
        id: ExecutionId,
        after: Option<&execution::Place>,
        descending: bool,
        limit: usize,
    ) -> Result<Vec<(execution::Place, Vec<u8>)>, Error> {
        let read = self.read()?;
        check_execution(&read, &self.caller, self.at, id, SharePermission::View)?;
        execution::iterations(&read, id, after, descending, limit)
    }

    /// One of them.
    pub fn execution_iteration(
        &self,
        id: ExecutionId,
        place: &execution::Place,
    ) -> Result<Option<Vec<u8>>, Error> {
        let read = self.read()?;
        check_execution(&read, &self.caller, self.at, id, SharePermission::View)?;
        execution::iteration(&read, id, place)
    }

    /// Lets them at what all executions of a workflow wrote: seeing the workflow is not enough.
    pub fn runs_of(&self, id: WorkflowId) -> Result<(), Error> {
        let read = self.read()?;
        let name = ("workflow", id.to_string());
        self.eyes(&read).within(id, None, SharePermission::View, name)
    }

    /// The executions that they see and that fit, without their data.
    pub fn executions(
        &self,
        query: &execution::Query,
        paging: &Paging,
        fits: Fits<'_, Execution>,
    ) -> Result<Page<Execution>, Error> {
        let read = self.read()?;
        let eyes = self.eyes(&read);
        let sees = &mut |one: &Execution| {
            Ok(fits(one) && eyes.sees_within(one.workflow_id, Some(one.user_id))?)
        };
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

    /// A user, where it is they themselves or their role reaches all.
    pub fn user(&self, id: UserId) -> Result<User, Error> {
        let read = self.read()?;
        if !self.caller.reaches_all() && id != self.caller.user {
            return Err(Error::NotFound { entity: "user", id: id.to_string() });
        }
        user::require(&read, id)
    }

    /// The users that they see and that fit.
    pub fn users(
        &self,
        (role, status): (Option<Role>, Option<UserStatus>),
        paging: &Paging,
        fits: Fits<'_, User>,
    ) -> Result<Page<User>, Error> {
        let all = self.caller.reaches_all();
        let sees = &mut |one: &User| Ok((all || one.id == self.caller.user) && fits(one));
        user::list_where(&self.read()?, role, status, paging, sees)
    }

    /// The ways in that they see and that fit.
    pub fn accounts(
        &self,
        paging: &Paging,
        fits: Fits<'_, Account>,
    ) -> Result<Page<Account>, Error> {
        let all = self.caller.reaches_all();
        let sees = &mut |one: &Account| Ok((all || one.user_id == self.caller.user) && fits(one));
        account::list_where(&self.read()?, paging, sees)
    }

    /// An event with its data.
    pub fn event(&self, seq: u64) -> Result<Event, Error> {
        let found = event::get(&self.read()?, seq)?.filter(|one| self.sees_event(one));
        found.ok_or_else(|| Error::NotFound { entity: "event", id: seq.to_string() })
    }

    /// The events that they see and that fit, without their data.
    pub fn events(
        &self,
        event_type: Option<&str>,
        paging: &Paging,
        fits: Fits<'_, Event>,
    ) -> Result<Page<Event>, Error> {
        let sees = &mut |one: &Event| self.sees_event(one) && fits(one);
        event::list_where(&self.read()?, event_type, paging, sees)
    }

    fn sees_event(&self, one: &Event) -> bool {
        one.shared || self.caller.reaches_all() || one.user_id == self.caller.user
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
