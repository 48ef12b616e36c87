//! The policy: the one decision over what the contract says that a method needs ([`Access`]).
//!
//! A table in the tests says it a second time, on purpose: a change of one without the other fails,
//! so no method's lock changes unnoticed.

use a2n_proto::api::Access;
use a2n_proto::identity::Role;
use a2n_proto::{ErrorKind, RpcError};

/// What a user without an account can do.
pub const NO_ACCOUNT: &str = "an ADMIN or OWNER of it can give you one (`a2n user add NAME --uid N`); \
                              `a2n quickstart` starts a daemon of your own";

/// Whether the door opens at all, before anything is read. `role` is that of the caller's account.
///
/// What depends on one workflow passes here: the view decides it where the workflow is read.
pub fn at_the_door(access: Access, role: Option<Role>) -> Result<(), RpcError> {
    match (access, role) {
        (Access::Open, _) | (Access::Account | Access::Workflow(_), Some(_)) => Ok(()),
        (_, None) => {
            Err(RpcError::new(ErrorKind::Unauthenticated, "you have no account here")
                .hint(NO_ACCOUNT))
        }
        (Access::Role(needed), Some(role)) if role < needed => {
            let message = format!("this needs the role {}", needed.as_str());
            Err(RpcError::new(ErrorKind::Forbidden, message)
                .hint(format!("you have {}", role.as_str())))
        }
        (Access::Role(_), Some(_)) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use a2n_proto::api;

    use a2n_proto::workflow::SharePermission;

    use super::*;

    const OPEN: Access = Access::Open;
    const ACCOUNT: Access = Access::Account;
    const ADMIN: Access = Access::Role(Role::Admin);
    const VIEW: Access = Access::Workflow(SharePermission::View);
    const EDIT: Access = Access::Workflow(SharePermission::Edit);
    const EXECUTE: Access = Access::Workflow(SharePermission::Execute);
    const OWN: Access = Access::Workflow(SharePermission::Admin);

    /// One row for each method.
    const TABLE: &[(&str, Access)] = &[
        // Lists answer what the caller may see; the view filters row by row.
        ("workflow.list", ACCOUNT),
        ("workflow.get", VIEW),
        ("workflow.create", ACCOUNT),
        ("workflow.update", EDIT),
        ("workflow.delete", OWN),
        ("workflow.validate", ACCOUNT),
        ("workflow.run", EXECUTE),
        ("workflow.plan", EXECUTE),
        ("workflow.testNode", ACCOUNT),
        ("workflow.publish", EDIT),
        ("workflow.unpublish", EDIT),
        ("workflow.rollback", EDIT),
        ("workflow.diff", VIEW),
        ("workflow.duplicate", VIEW),
        ("workflow.archive", OWN),
        ("workflow.export", VIEW),
        // Each document is checked like a create or an update of its workflow.
        ("workflow.apply", ACCOUNT),
        ("workflow.layout", ACCOUNT),
        ("workflowTrigger.list", ACCOUNT),
        ("workflowTrigger.get", VIEW),
        ("workflowTrigger.create", EDIT),
        ("workflowTrigger.update", EDIT),
        ("workflowTrigger.delete", EDIT),
        ("workflowTrigger.fire", EXECUTE),
        ("workflowTrigger.next", VIEW),
        ("workflowVersion.list", ACCOUNT),
        ("workflowVersion.get", VIEW),
        // Events are whose they are; who sees which is decided row by row.
        ("event.emit", ACCOUNT),
        ("event.list", ACCOUNT),
        ("event.get", ACCOUNT),
        ("execution.list", ACCOUNT),
        ("execution.get", VIEW),
        ("execution.wait", VIEW),
        ("execution.cancel", EXECUTE),
        ("execution.pause", EXECUTE),
        ("execution.resume", EXECUTE),
        ("execution.answer", EXECUTE),
        ("execution.retry", EXECUTE),
        // Who may decide is said by the node that asks; others do not see it, or may not.
        ("execution.approve", ACCOUNT),
        ("execution.approvals", ACCOUNT),
        ("execution.tree", VIEW),
        ("execution.stats", ACCOUNT),
        ("executionLog.query", VIEW),
        ("executionLog.subscribe", VIEW),
        ("executionLog.unsubscribe", VIEW),
        ("executionMetrics.query", ACCOUNT),
        ("executionNodeState.list", VIEW),
        ("executionNodeState.get", VIEW),
        ("executionSchedule.upcoming", ACCOUNT),
        ("executionSchedule.preview", ACCOUNT),
        ("nodeDefinition.list", ACCOUNT),
        ("nodeDefinition.get", ACCOUNT),
        ("system.ping", OPEN),
        ("system.info", ACCOUNT),
        ("system.health", ACCOUNT),
        ("system.metrics", ACCOUNT),
        ("system.stats", ACCOUNT),
        ("system.leaveSafeMode", ADMIN),
        ("system.subscribe", ACCOUNT),
        ("system.unsubscribe", ACCOUNT),
        ("system.verify", ADMIN),
        ("auth.whoami", OPEN),
        // Who an ADMIN may not touch (an OWNER) is decided where the user is read.
        ("auth.link", ADMIN),
        ("auth.unlink", ADMIN),
        ("user.list", ACCOUNT),
        ("user.get", ACCOUNT),
        ("user.create", ADMIN),
        ("user.update", ADMIN),
        ("user.delete", ADMIN),
        ("account.list", ACCOUNT),
        ("auditLog.list", ADMIN),
        ("auditLog.verify", ADMIN),
        ("systemLog.query", ADMIN),
        // Settings that are not public are left out for a USER, by the view.
        ("appSetting.list", ACCOUNT),
        ("appSetting.get", ACCOUNT),
        ("appSetting.set", ADMIN),
        ("appSetting.reset", ADMIN),
        ("rpc.discover", OPEN),
    ];

    #[test]
    fn every_method_has_one_row_that_says_what_the_contract_says() {
        let table: BTreeMap<_, _> = TABLE.iter().copied().collect();
        assert_eq!(table.len(), TABLE.len(), "a method has two rows");
        let contract: BTreeMap<_, _> = api::all().iter().map(|m| (m.name, m.access)).collect();
        assert_eq!(table, contract);
    }

    /// What comes of a call: `yes` or the error's code. `reach` is what the caller may do with the
    /// workflow, none where they do not see it.
    fn cell(access: Access, role: Option<Role>, reach: Option<SharePermission>) -> String {
        match (at_the_door(access, role), access, reach) {
            (Err(error), ..) => error.kind.code().to_string(),
            (Ok(()), Access::Workflow(_), None) => ErrorKind::NotFound.code().to_string(),
            (Ok(()), Access::Workflow(needed), Some(has)) if !has.includes(needed) => {
                ErrorKind::Forbidden.code().to_string()
            }
            (Ok(()), ..) => "yes".into(),
        }
    }

    /// Every method by every caller: without account; USER, ADMIN and OWNER with someone else's
    /// private workflow; USER with each share of it; USER with their own.
    #[test]
    fn the_matrix() {
        use Role::{Admin, Owner, User};
        use SharePermission as Share;
        let callers = [
            (None, None),
            (Some(User), None),
            (Some(Admin), Some(Share::Admin)),
            (Some(Owner), Some(Share::Admin)),
            (Some(User), Some(Share::View)),
            (Some(User), Some(Share::Edit)),
            (Some(User), Some(Share::Execute)),
            (Some(User), Some(Share::Admin)),
        ];
        let mut matrix = String::from(
            "method                      none USER ADMIN OWNER | VIEW EDIT EXECUTE own/ADMIN\n",
        );
        for method in api::all() {
            let cells = callers.map(|(role, reach)| cell(method.access, role, reach));
            let [none, user, admin, owner, view, edit, execute, own] = cells;
            matrix += &format!(
                "{:27} {none:4} {user:4} {admin:5} {owner:5} | {view:4} {edit:4} {execute:7} {own}\n",
                method.name
            );
        }
        insta::assert_snapshot!(matrix, @r"
    method                      none USER ADMIN OWNER | VIEW EDIT EXECUTE own/ADMIN
    workflow.list               401  yes  yes   yes   | yes  yes  yes     yes
    workflow.get                401  404  yes   yes   | yes  yes  yes     yes
    workflow.create             401  yes  yes   yes   | yes  yes  yes     yes
    workflow.update             401  404  yes   yes   | 403  yes  403     yes
    workflow.delete             401  404  yes   yes   | 403  403  403     yes
    workflow.validate           401  yes  yes   yes   | yes  yes  yes     yes
    workflow.run                401  404  yes   yes   | 403  403  yes     yes
    workflow.plan               401  404  yes   yes   | 403  403  yes     yes
    workflow.testNode           401  yes  yes   yes   | yes  yes  yes     yes
    workflow.publish            401  404  yes   yes   | 403  yes  403     yes
    workflow.unpublish          401  404  yes   yes   | 403  yes  403     yes
    workflow.rollback           401  404  yes   yes   | 403  yes  403     yes
    workflow.diff               401  404  yes   yes   | yes  yes  yes     yes
    workflow.duplicate          401  404  yes   yes   | yes  yes  yes     yes
    workflow.archive            401  404  yes   yes   | 403  403  403     yes
    workflow.export             401  404  yes   yes   | yes  yes  yes     yes
    workflow.apply              401  yes  yes   yes   | yes  yes  yes     yes
    workflow.layout             401  yes  yes   yes   | yes  yes  yes     yes
    workflowTrigger.list        401  yes  yes   yes   | yes  yes  yes     yes
    workflowTrigger.get         401  404  yes   yes   | yes  yes  yes     yes
    workflowTrigger.create      401  404  yes   yes   | 403  yes  403     yes
    workflowTrigger.update      401  404  yes   yes   | 403  yes  403     yes
    workflowTrigger.delete      401  404  yes   yes   | 403  yes  403     yes
    workflowTrigger.fire        401  404  yes   yes   | 403  403  yes     yes
    workflowTrigger.next        401  404  yes   yes   | yes  yes  yes     yes
    workflowVersion.list        401  yes  yes   yes   | yes  yes  yes     yes
    workflowVersion.get         401  404  yes   yes   | yes  yes  yes     yes
    event.emit                  401  yes  yes   yes   | yes  yes  yes     yes
    event.list                  401  yes  yes   yes   | yes  yes  yes     yes
    event.get                   401  yes  yes   yes   | yes  yes  yes     yes
    execution.list              401  yes  yes   yes   | yes  yes  yes     yes
    execution.get               401  404  yes   yes   | yes  yes  yes     yes
    execution.wait              401  404  yes   yes   | yes  yes  yes     yes
    execution.cancel            401  404  yes   yes   | 403  403  yes     yes
    execution.pause             401  404  yes   yes   | 403  403  yes     yes
    execution.resume            401  404  yes   yes   | 403  403  yes     yes
    execution.answer            401  404  yes   yes   | 403  403  yes     yes
    execution.retry             401  404  yes   yes   | 403  403  yes     yes
    execution.approve           401  yes  yes   yes   | yes  yes  yes     yes
    execution.approvals         401  yes  yes   yes   | yes  yes  yes     yes
    execution.tree              401  404  yes   yes   | yes  yes  yes     yes
    execution.stats             401  yes  yes   yes   | yes  yes  yes     yes
    executionLog.query          401  404  yes   yes   | yes  yes  yes     yes
    executionLog.subscribe      401  404  yes   yes   | yes  yes  yes     yes
    executionLog.unsubscribe    401  404  yes   yes   | yes  yes  yes     yes
    executionMetrics.query      401  yes  yes   yes   | yes  yes  yes     yes
    executionNodeState.list     401  404  yes   yes   | yes  yes  yes     yes
    executionNodeState.get      401  404  yes   yes   | yes  yes  yes     yes
    executionSchedule.upcoming  401  yes  yes   yes   | yes  yes  yes     yes
    executionSchedule.preview   401  yes  yes   yes   | yes  yes  yes     yes
    nodeDefinition.list         401  yes  yes   yes   | yes  yes  yes     yes
    nodeDefinition.get          401  yes  yes   yes   | yes  yes  yes     yes
    system.ping                 yes  yes  yes   yes   | yes  yes  yes     yes
    system.info                 401  yes  yes   yes   | yes  yes  yes     yes
    system.health               401  yes  yes   yes   | yes  yes  yes     yes
    system.metrics              401  yes  yes   yes   | yes  yes  yes     yes
    system.stats                401  yes  yes   yes   | yes  yes  yes     yes
    system.leaveSafeMode        401  403  yes   yes   | 403  403  403     403
    system.subscribe            401  yes  yes   yes   | yes  yes  yes     yes
    system.unsubscribe          401  yes  yes   yes   | yes  yes  yes     yes
    system.verify               401  403  yes   yes   | 403  403  403     403
    auth.whoami                 yes  yes  yes   yes   | yes  yes  yes     yes
    auth.link                   401  403  yes   yes   | 403  403  403     403
    auth.unlink                 401  403  yes   yes   | 403  403  403     403
    user.list                   401  yes  yes   yes   | yes  yes  yes     yes
    user.get                    401  yes  yes   yes   | yes  yes  yes     yes
    user.create                 401  403  yes   yes   | 403  403  403     403
    user.update                 401  403  yes   yes   | 403  403  403     403
    user.delete                 401  403  yes   yes   | 403  403  403     403
    account.list                401  yes  yes   yes   | yes  yes  yes     yes
    auditLog.list               401  403  yes   yes   | 403  403  403     403
    auditLog.verify             401  403  yes   yes   | 403  403  403     403
    systemLog.query             401  403  yes   yes   | 403  403  403     403
    appSetting.list             401  yes  yes   yes   | yes  yes  yes     yes
    appSetting.get              401  yes  yes   yes   | yes  yes  yes     yes
    appSetting.set              401  403  yes   yes   | 403  403  403     403
    appSetting.reset            401  403  yes   yes   | 403  403  403     403
    rpc.discover                yes  yes  yes   yes   | yes  yes  yes     yes
    ");
    }
}
