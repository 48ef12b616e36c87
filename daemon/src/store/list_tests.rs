//! Lists in pages: whatever a filter leaves out, each row that fits comes once, in order, every page
//! but the last is full, and the cursor is exact.
//!
//! Filters that no index decides were applied to a page after it was read: a page of 50 could have
//! two rows, or none, with thousands behind it. Paging through random filters catches it.

use std::collections::BTreeSet;

use a2n_proto::api::Match;
use a2n_proto::execution::{Execution, ExecutionStatus};
use a2n_proto::identity::Role;
use a2n_proto::system::AuditLog;
use a2n_proto::workflow::{Workflow, WorkflowTrigger, WorkflowVersion};
use a2n_proto::{Json, WorkflowVersionId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::testing::{
    World, a_trigger, a_workflow, an_execution, at, caller, random, trigger_id, user, workflow_id,
};
use super::{Error, Page, Paging, audit, execution, workflow, workflow_trigger, workflow_version};

const ROWS: i64 = 90;

/// Follows the cursors from the first page to the last.
fn walk<T>(
    limit: usize,
    newest_first: bool,
    mut page: impl FnMut(&Paging) -> Result<Page<T>, Error>,
) -> Vec<T> {
    let mut paging = Paging { limit, cursor: None, newest_first };
    let mut all = Vec::new();
    loop {
        let found = page(&paging).unwrap();
        assert!(found.items.len() <= limit);
        let is_full = found.items.len() == limit;
        all.extend(found.items);
        match found.next_cursor {
            Some(cursor) => {
                assert!(is_full, "a page with a cursor is not full");
                paging.cursor = Some(cursor);
            }
            None => return all,
        }
    }
}

/// Rows in the asked order that `keep` keeps.
fn expected<T: Clone>(all: &[T], newest_first: bool, keep: impl Fn(&T) -> bool) -> Vec<T> {
    let mut kept: Vec<T> = all.iter().filter(|row| keep(row)).cloned().collect();
    if newest_first {
        kept.reverse();
    }
    kept
}

/// Asks for pages of 1 to 40, both orders, with whatever `condition` makes.
fn each<C: Strategy>(condition: C, check: impl Fn(usize, bool, C::Value)) {
    let mut runner = TestRunner::new(Config { cases: 150, ..Config::default() });
    let strategy = (1usize..40, any::<bool>(), condition);
    runner
        .run(&strategy, |(limit, newest_first, condition)| {
            check(limit, newest_first, condition);
            Ok(())
        })
        .unwrap();
}

fn run(n: i64) -> Execution {
    let statuses = [ExecutionStatus::Success, ExecutionStatus::Failed, ExecutionStatus::Running];
    let mut one = an_execution(n, statuses[usize::try_from(n % 3).unwrap()]);
    one.workflow_id = workflow_id(if n % 4 == 0 { 2 } else { 1 });
    one.metadata.idempotency_key = (n % 7 == 0).then(|| format!("key-{n}"));
    // An id is made a moment after its execution's time is read.
    one.created_at = at(n - n % 3);
    one
}

#[test]
fn pages_of_executions_are_full_whatever_is_left_out() {
    let world = World::new();
    world.write(1, |tx| {
        workflow::put(tx, &a_workflow(2, "other"))?;
        (0..ROWS).try_for_each(|n| execution::insert(tx, &run(n), vec![]))
    });
    let all: Vec<Execution> = (0..ROWS).map(run).collect();
    let view = world.store.as_caller(caller(1, Role::Owner), at(5));
    let ids = prop::option::of(prop::collection::vec(1u64..4, 0..3));
    let span = (prop::option::of(-3..ROWS + 3), prop::option::of(-3..ROWS + 3));
    let condition = (ids, prop::option::of(0u8..3), span, any::<bool>());
    each(condition, |limit, newest_first, (workflows, status, (from, to), keyed)| {
        let statuses = [ExecutionStatus::Success, ExecutionStatus::Failed];
        let query = execution::Query {
            workflow: workflows.map(|ids| ids.into_iter().map(workflow_id).collect()),
            status: status.map(|n| statuses[..usize::from(n)].to_vec()),
            created_from: from.map(at),
            created_to: to.map(at),
            ..execution::Query::default()
        };
        let has_key = |one: &Execution| !keyed || one.metadata.idempotency_key.is_some();
        let keep = |one: &Execution| {
            query.workflow.as_ref().is_none_or(|ids| ids.contains(&one.workflow_id))
                && query.status.as_ref().is_none_or(|all| all.contains(&one.status))
                && from.is_none_or(|from| one.created_at >= at(from))
                && to.is_none_or(|to| one.created_at < at(to))
                && has_key(one)
        };
        let found = walk(limit, newest_first, |paging| view.executions(&query, paging, &has_key));
        let ids = |all: &[Execution]| all.iter().map(|one| one.id).collect::<Vec<_>>();
        assert_eq!(ids(&found), ids(&expected(&all, newest_first, keep)));
    });
}

#[test]
fn pages_of_workflows_triggers_and_versions_are_full_too() {
    let world = World::new();
    let workflow = |n: u64| Workflow {
        is_template: n.is_multiple_of(3),
        ..a_workflow(n, &format!("report {n:02}"))
    };
    let trigger = |n: u64| WorkflowTrigger {
        is_active: n.is_multiple_of(2),
        ..a_trigger(n, &format!("t{n:02}"))
    };
    let version = |n: u64| WorkflowVersion {
        id: WorkflowVersionId::from_parts(1, random(n)),
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
        version: u32::try_from(n).unwrap(),
        definition: Json::null(),
        change_log: None,
        is_published: n.is_multiple_of(5),
        workflow_id: workflow_id(1),
        user_id: user(1),
    };
    world.write(1, move |tx| {
        for n in 2..50 {
            workflow::put(tx, &workflow(n))?;
            workflow_trigger::put(tx, &trigger(n))?;
            workflow_version::put(tx, &version(n))?;
        }
        Ok(())
    });
    let view = world.store.as_caller(caller(1, Role::Owner), at(5));
    let left = prop::collection::btree_set(2u64..50, 0..50);
    each(left, |limit, newest_first, left: BTreeSet<u64>| {
        let numbers: Vec<u64> = (2..50).collect();
        let kept = expected(&numbers, newest_first, |n| left.contains(n));
        let ids: BTreeSet<_> = left.iter().map(|n| workflow_id(*n)).collect();
        let found = walk(limit, newest_first, |paging| {
            view.workflows(&workflow::Query::default(), paging, &|one| ids.contains(&one.id))
        });
        let names: Vec<_> = found.into_iter().map(|one| one.id).collect();
        assert_eq!(names, kept.iter().map(|n| workflow_id(*n)).collect::<Vec<_>>());
        let ids: BTreeSet<_> = left.iter().map(|n| trigger_id(*n)).collect();
        let query =
            workflow_trigger::Query { workflow: Some(workflow_id(1)), ..Default::default() };
        let found = walk(limit, newest_first, |paging| {
            view.triggers(&query, paging, &|one| ids.contains(&one.id))
        });
        let found: Vec<_> = found.into_iter().map(|one| one.id).collect();
        assert_eq!(found, kept.iter().map(|n| trigger_id(*n)).collect::<Vec<_>>());
        let found = walk(limit, newest_first, |paging| {
            let fits = |one: &WorkflowVersion| left.contains(&u64::from(one.version));
            view.versions(workflow_id(1), paging, &fits)
        });
        let found: Vec<_> = found.into_iter().map(|one| u64::from(one.version)).collect();
        assert_eq!(found, kept);
    });
}

#[test]
fn audit_rows_come_in_the_order_of_the_chain_and_in_full_pages() {
    let world = World::new();
    // Ids whose order is not that of the rows; a clock that is set back once.
    for n in 0..ROWS {
        let ms = if n < 40 { n * 1_000 } else { n * 1_000 - 30_000 };
        world.write(ms, move |tx| {
            let resource = if n % 4 == 0 { "workflowTrigger" } else { "workflow" };
            let action = if n % 5 == 0 { "delete" } else { "update" };
            let id = format!("{}", (n * 7) % 10);
            tx.audit(&format!("{resource}.{action}"), resource, id, Json::null(), Json::null());
            Ok(())
        });
    }
    let read = world.read();
    let query = audit::Query::default();
    let all = walk(1_000, false, |paging| audit::list(&read, &query, paging, &|_| true));
    assert!(all.len() >= usize::try_from(ROWS).unwrap());
    assert!(all.windows(2).all(|two| two[0].seq < two[1].seq));
    let seconds = prop::option::of(-1..ROWS);
    let numbers = prop::option::of(0..u64::try_from(ROWS).unwrap() + 3);
    let condition = (seconds.clone(), seconds, numbers.clone(), numbers, 0u8..3, any::<bool>());
    each(condition, |limit, newest_first, (from, to, low, high, narrow, deletes)| {
        let query = audit::Query {
            resource: (narrow > 0).then(|| "workflow".to_owned()),
            resource_id: (narrow > 1).then(|| "3".to_owned()),
            user: None,
            from: from.map(|n| at(n * 1_000)),
            to: to.map(|n| at(n * 1_000)),
            from_seq: low,
            to_seq: high,
        };
        let words = Match::Text("DELETE".into());
        let fits = |row: &AuditLog| !deletes || words.holds_text(&row.action);
        let keep = |row: &AuditLog| {
            fits(row)
                && query.resource.as_ref().is_none_or(|one| row.resource == *one)
                && query.resource_id.as_ref().is_none_or(|one| row.resource_id == *one)
                && query.from.is_none_or(|from| row.timestamp >= from)
                && query.to.is_none_or(|to| row.timestamp < to)
                && low.is_none_or(|low| row.seq >= low)
                && high.is_none_or(|high| row.seq < high)
        };
        let found = walk(limit, newest_first, |paging| audit::list(&read, &query, paging, &fits));
        let seqs = |all: &[AuditLog]| all.iter().map(|row| row.seq).collect::<Vec<_>>();
        assert_eq!(seqs(&found), seqs(&expected(&all, newest_first, keep)));
    });
}
