//! Workflows with few places that call one another crosswise: an execution of A holds its only place and
//! waits for one of B, which waits for the place of another that waits for A. None of them would ever
//! end, since a place is kept until the end. The one that would close such a ring is not started, so that
//! the node that asked for it fails with the reason; the others go on when that one's execution ends.
//!
//! Only a start by another execution can close a ring, so only that is looked at. What waits for
//! anything else (a timer, an event, a person) is taken to end some day.

use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::execution::{Execution, ExecutionStatus};
use a2n_proto::{ExecutionId, WorkflowId};

use super::Driver;
use crate::engine::driving::desk::child_of;
use crate::engine::driving::handle::Error;
use crate::engine::execution::Parent;
use crate::engine::request::Request;
use crate::store::execution;

/// What an execution needs so that it can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// That this one ends.
    End(ExecutionId),
    /// That a place of this workflow comes free.
    Place(WorkflowId),
}

/// Who waits for whom, as far as it can be come to from one workflow.
#[derive(Debug, Default)]
struct Web {
    needs: BTreeMap<ExecutionId, Vec<Need>>,
    /// Who shares each place of a workflow.
    families: BTreeMap<WorkflowId, Vec<Vec<ExecutionId>>>,
}

impl Driver {
    /// Why an execution that another one asks for must not wait for a place of its workflow: none would
    /// ever come free, since those who hold them wait for this one. None where it may. `root` is who has
    /// its place if somebody shares one with it.
    pub(super) fn ring(
        &self,
        asking: &Execution,
        parent: Option<&Parent>,
        root: ExecutionId,
    ) -> Option<Error> {
        parent?.asker.as_ref()?;
        let workflow = asking.workflow_id;
        let families = self.places.families(workflow);
        // Nearly always somebody there waits for no other execution.
        let is_simple =
            |all: &Vec<ExecutionId>| all.iter().all(|id| self.needs(*id, asking).is_empty());
        if self.places.is_open(workflow)
            || self.places.holds(workflow, root)
            || families.iter().any(is_simple)
            || self.web(asking).comes_free(workflow)
        {
            return None;
        }
        Some(Error::Ring {
            workflow: asking.workflow_name.clone(),
            limit: self.places.limit(workflow)?,
            by: *families.first()?.first()?,
        })
    }

    fn web(&self, asking: &Execution) -> Web {
        let mut web = Web::default();
        let mut open = vec![Need::Place(asking.workflow_id)];
        while let Some(need) = open.pop() {
            match need {
                Need::Place(workflow) if web.families.contains_key(&workflow) => {}
                // What has room is free: nobody needs to end for it.
                Need::Place(workflow) if self.places.is_open(workflow) => {
                    web.families.insert(workflow, vec![Vec::new()]);
                }
                Need::Place(workflow) => {
                    let families = self.places.families(workflow);
                    open.extend(families.iter().flatten().map(|id| Need::End(*id)));
                    web.families.insert(workflow, families);
                }
                Need::End(id) if web.needs.contains_key(&id) => {}
                Need::End(id) => {
                    let needs = self.needs(id, asking);
                    open.extend(&needs);
                    web.needs.insert(id, needs);
                }
            }
        }
        web
    }

    /// What an execution waits for of others; nothing where it is not in memory, since who waits for
    /// another execution is.
    fn needs(&self, id: ExecutionId, asking: &Execution) -> Vec<Need> {
        let Some(live) = self.live.get(&id).filter(|live| !live.state.is_ending()) else {
            return Vec::new();
        };
        let children = live.state.requests().filter_map(|(unit, n, at, request)| match request {
            Request::Child(child) if !child.detach => Some(child_of(&unit.job(id, n), at)),
            _ => None,
        });
        children.filter_map(|child| self.need(child, asking)).collect()
    }

    /// What has to happen so that a child ends, apart from its own work.
    fn need(&self, child: ExecutionId, asking: &Execution) -> Option<Need> {
        if child == asking.id {
            return Some(Need::Place(asking.workflow_id));
        }
        if let Some(live) = self.live.get(&child) {
            let workflow = live.execution.workflow_id;
            let is_queued = self.places.waits(workflow, &live.rank());
            return Some(if is_queued { Need::Place(workflow) } else { Need::End(child) });
        }
        let read = self.parts.store.read().ok()?;
        let head = execution::head(&read, child).ok()??;
        let is_queued = head.status == ExecutionStatus::Pending;
        is_queued.then_some(Need::Place(head.workflow_id))
    }
}

impl Web {
    /// Whether a place of a workflow comes free when everybody does what they can.
    fn comes_free(&self, workflow: WorkflowId) -> bool {
        let (mut ended, mut free) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let before = ended.len() + free.len();
            for (id, needs) in &self.needs {
                let is_met = |need: &Need| match need {
                    Need::End(id) => ended.contains(id),
                    Need::Place(workflow) => free.contains(workflow),
                };
                if needs.iter().all(is_met) {
                    ended.insert(*id);
                }
            }
            for (workflow, families) in &self.families {
                if families.iter().any(|all| all.iter().all(|id| ended.contains(id))) {
                    free.insert(*workflow);
                }
            }
            if free.contains(&workflow) {
                return true;
            }
            if ended.len() + free.len() == before {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ExecutionId {
        ExecutionId::from_bytes([n; 16])
    }
    fn workflow(n: u8) -> WorkflowId {
        WorkflowId::from_bytes([n; 16])
    }

    /// Executions with what they need, workflows with who holds their places.
    fn web(needs: &[(u8, &[Need])], places: &[(u8, &[&[u8]])]) -> Web {
        let families = |all: &[&[u8]]| -> Vec<Vec<ExecutionId>> {
            all.iter().map(|one| one.iter().map(|n| id(*n)).collect()).collect()
        };
        Web {
            needs: needs.iter().map(|(n, needs)| (id(*n), needs.to_vec())).collect(),
            families: places.iter().map(|(n, all)| (workflow(*n), families(all))).collect(),
        }
    }

    #[test]
    fn two_that_wait_for_each_others_only_place_never_end() {
        let (a, b) = (Need::Place(workflow(1)), Need::Place(workflow(2)));
        let ring = web(&[(1, &[b]), (2, &[a])], &[(1, &[&[1]]), (2, &[&[2]])]);
        assert!(!ring.comes_free(workflow(1)) && !ring.comes_free(workflow(2)));
        // A second place that somebody holds who waits for nobody breaks it.
        let loose = web(&[(1, &[b]), (2, &[a]), (3, &[])], &[(1, &[&[1]]), (2, &[&[2], &[3]])]);
        assert!(loose.comes_free(workflow(1)) && loose.comes_free(workflow(2)));
        // So does room.
        let room = web(&[(1, &[b])], &[(1, &[&[1]]), (2, &[&[]])]);
        assert!(room.comes_free(workflow(1)));
    }

    #[test]
    fn a_ring_may_have_many_members_and_go_through_others() {
        // 1 holds A and waits for 2, which began and waits for a place of B, and so on round to A.
        let places = |n: u8| Need::Place(workflow(n));
        let needs: &[(u8, &[Need])] =
            &[(1, &[Need::End(id(2))]), (2, &[places(2)]), (3, &[places(3)]), (4, &[places(1)])];
        let ring = web(needs, &[(1, &[&[1]]), (2, &[&[3]]), (3, &[&[4]])]);
        assert!(!ring.comes_free(workflow(1)));
        // A place that two share comes free when both have ended.
        let shared = web(&[(1, &[]), (2, &[places(1)])], &[(1, &[&[1, 2]])]);
        assert!(!shared.comes_free(workflow(1)));
    }
}
