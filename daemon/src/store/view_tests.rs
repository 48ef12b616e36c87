//! The matrix of who sees and may do what.

use a2n_proto::UserId;
use a2n_proto::execution::ExecutionStatus;
use a2n_proto::identity::{Role, UserStatus};
use a2n_proto::workflow::{SharePermission, Visibility, Workflow, WorkflowShare};
use a2n_proto::{WorkflowShareId, WorkflowTriggerId};

use super::testing::{
    World, a_trigger, a_workflow, an_execution, at, caller, execution_id, random, trigger_id, user,
    workflow_id,
};
use super::{Error, Paging, execution, user as users, workflow, workflow_share, workflow_trigger};

use SharePermission::{Admin, Edit, Execute, View};

/// alice (1, OWNER) has a private and a public workflow; bob (2) has shares, carol (3) has none,
/// dave (4) is ADMIN.
fn world() -> World {
    let world = World::new();
    world.write(1, |tx| {
        let alice = users::require(tx, user(1))?;
        for (n, role) in [(2, Role::User), (3, Role::User), (4, Role::Admin)] {
            let (id, name) = (user(n), format!("user{n}"));
            let status = UserStatus::Active;
            users::put(tx, &a2n_proto::identity::User { id, name, role, status, ..alice.clone() })?;
        }
        let open = Workflow { visibility: Visibility::Public, ..a_workflow(2, "open") };
        workflow::put(tx, &open)?;
        workflow_trigger::put(tx, &a_trigger(1, "hourly"))?;
        execution::insert(tx, &an_execution(1, ExecutionStatus::Running), vec![])?;
        let mut in_open = an_execution(2, ExecutionStatus::Running);
        in_open.workflow_id = workflow_id(2);
        execution::insert(tx, &in_open, vec![])
    });
    world
}

fn share(permission: SharePermission, with: UserId) -> WorkflowShare {
    WorkflowShare {
        id: WorkflowShareId::from_parts(1, random(1)),
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
        permission,
        is_active: true,
        expires_at: Some(at(1000)),
        workflow_id: workflow_id(1),
        owner_id: user(1),
        shared_with_user_id: with,
    }
}

/// What a try came to: allowed, forbidden, or not even there.
fn outcome<T>(result: Result<T, Error>) -> char {
    match result {
        Ok(_) => '+',
        Err(Error::Forbidden { .. }) => '-',
        Err(Error::NotFound { .. }) => '.',
        Err(other) => panic!("{other}"),
    }
}

/// For each permission (VIEW, EDIT, EXECUTE, ADMIN): the workflow, its trigger, its execution.
fn row(world: &World, n: u64, role: Role, ms: i64) -> String {
    let view = world.store.as_caller(caller(n, role), at(ms));
    [View, Edit, Execute, Admin]
        .into_iter()
        .map(|want| {
            let mut cell = String::new();
            cell.push(outcome(view.workflow(workflow_id(1), want)));
            cell.push(outcome(view.trigger(trigger_id(1), want)));
            cell.push(outcome(view.execution(execution_id(1), want)));
            cell
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn roles_owner_and_shares_decide() {
    let world = world();
    assert_eq!(row(&world, 1, Role::Owner, 5), "+++ +++ +++ +++");
    assert_eq!(row(&world, 4, Role::Admin, 5), "+++ +++ +++ +++");
    // The owner of a workflow needs no role.
    assert_eq!(row(&world, 1, Role::User, 5), "+++ +++ +++ +++");
    assert_eq!(row(&world, 3, Role::User, 5), "... ... ... ...");
    for (permission, expected) in [
        (View, "+++ --- --- ---"),
        (Edit, "+++ +++ --- ---"),
        (Execute, "+++ --- +++ ---"),
        (Admin, "+++ +++ +++ +++"),
    ] {
        world.write(5, move |tx| workflow_share::put(tx, &share(permission, user(2))));
        assert_eq!(row(&world, 2, Role::User, 999), expected, "{permission:?}");
        assert_eq!(row(&world, 2, Role::User, 1000), "... ... ... ...", "expired");
        assert_eq!(row(&world, 3, Role::User, 5), "... ... ... ...", "not carol's");
    }
    let off = WorkflowShare { is_active: false, ..share(Admin, user(2)) };
    world.write(6, move |tx| workflow_share::put(tx, &off));
    assert_eq!(row(&world, 2, Role::User, 5), "... ... ... ...", "switched off");
}

#[test]
fn a_public_workflow_is_read_by_all_but_not_its_runs() {
    let world = world();
    let carol = world.store.as_caller(caller(3, Role::User), at(5));
    assert_eq!(outcome(carol.workflow(workflow_id(2), View)), '+');
    assert_eq!(outcome(carol.workflow(workflow_id(2), Edit)), '-');
    assert_eq!(outcome(carol.execution(execution_id(2), View)), '.');
}

#[test]
fn lists_hold_what_may_be_seen() {
    let world = world();
    let names = |n, role| {
        let view = world.store.as_caller(caller(n, role), at(5));
        let page =
            view.workflows(&workflow::Query::default(), &Paging::default(), &|_| true).unwrap();
        let mut names: Vec<_> = page.items.into_iter().map(|workflow| workflow.name).collect();
        names.sort();
        let runs =
            view.executions(&execution::Query::default(), &Paging::default(), &|_| true).unwrap();
        let query = workflow_trigger::Query::default();
        let triggers = view.triggers(&query, &Paging::default(), &|_| true);
        (names.join(" "), runs.items.len(), triggers.unwrap().items.len())
    };
    assert_eq!(names(4, Role::Admin), ("open report".into(), 2, 1));
    assert_eq!(names(3, Role::User), ("open".into(), 0, 0));
    world.write(5, |tx| workflow_share::put(tx, &share(View, user(2))));
    assert_eq!(names(2, Role::User), ("open report".into(), 1, 1));
}

#[test]
fn names_mean_ones_own_first_then_the_only_visible_one() {
    let world = world();
    let view = |n, role| world.store.as_caller(caller(n, role), at(5));
    let own =
        Workflow { user_id: user(3), visibility: Visibility::Public, ..a_workflow(3, "open") };
    assert_eq!(view(2, Role::User).workflow_named("open", View).unwrap().id, workflow_id(2));
    world.write(5, move |tx| workflow::put(tx, &own));
    assert_eq!(view(3, Role::User).workflow_named("open", View).unwrap().id, workflow_id(3));
    match view(2, Role::User).workflow_named("open", View) {
        Err(Error::Ambiguous { candidates, .. }) => {
            assert_eq!(candidates.len(), 2);
            assert!(candidates.contains(&"alice/open".to_owned()), "{candidates:?}");
        }
        other => panic!("{other:?}"),
    }
    let named = view(2, Role::User).workflow_named("alice/open", View).unwrap();
    assert_eq!(named.id, workflow_id(2));
    assert_eq!(outcome(view(3, Role::User).workflow_named("report", View)), '.');
    assert_eq!(
        outcome(view(3, Role::User).trigger(WorkflowTriggerId::from_parts(0, [0; 10]), View)),
        '.'
    );
}

#[test]
fn the_last_owner_stays() {
    let world = world();
    let refused = world.try_write(5, |tx| {
        let mut alice = users::require(tx, user(1))?;
        alice.role = Role::Admin;
        users::put(tx, &alice)
    });
    assert!(matches!(refused, Err(Error::Precondition { .. })), "{refused:?}");
}
