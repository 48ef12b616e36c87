//! Looks at single things for a caller: the rules behind the view, also for a write's transaction.

use a2n_proto::execution::Execution;
use a2n_proto::workflow::{SharePermission, Visibility, Workflow};
use a2n_proto::{ExecutionId, Timestamp, UserId, WorkflowId};

use super::Caller;
use crate::store::{Error, Read, account, execution, user, workflow, workflow_share};

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
    Err(Error::Forbidden { entity: "workflow", id: id.to_string(), need: want.as_str() })
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
pub(super) struct Eyes<'e, R: Read> {
    pub(super) read: &'e R,
    pub(super) caller: &'e Caller,
    pub(super) at: Timestamp,
}

impl<R: Read> Eyes<'_, R> {
    /// The workflow, where it is there and they see it.
    pub(super) fn workflow(&self, id: WorkflowId) -> Result<Option<Workflow>, Error> {
        match workflow::head(self.read, id)? {
            Some(one) if self.sees_workflow(&one)? => Ok(Some(one)),
            _ => Ok(None),
        }
    }

    pub(super) fn sees_workflow(&self, one: &Workflow) -> Result<bool, Error> {
        let is_open = matches!(one.visibility, Visibility::Public | Visibility::Template);
        Ok(is_open || self.may(one, SharePermission::View)?)
    }

    /// Whether owner, role or a share gives them this permission.
    pub(super) fn may(&self, one: &Workflow, want: SharePermission) -> Result<bool, Error> {
        if self.caller.reaches_all() || one.user_id == self.caller.user {
            return Ok(true);
        }
        let has = workflow_share::permission(self.read, one.id, self.caller.user, self.at)?;
        Ok(has.is_some_and(|has| has.includes(want)))
    }

    /// Whether they see what belongs to a workflow and carries data; `user` is whose it is.
    pub(super) fn sees_within(&self, id: WorkflowId, user: Option<UserId>) -> Result<bool, Error> {
        let Some(one) = workflow::head(self.read, id)? else { return Ok(false) };
        Ok(user == Some(self.caller.user) || self.may(&one, SharePermission::View)?)
    }

    /// Lets them at what belongs to a workflow; their own they may also steer.
    pub(super) fn within(
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
        Err(Error::Forbidden { entity, id: name, need: want.as_str() })
    }
}
