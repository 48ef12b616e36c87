//! Every reference leads somewhere, or to something whose children are still to be removed.

use std::ops::ControlFlow;

use a2n_proto::ExecutionId;
use a2n_proto::execution::ExecutionSchedule;
use a2n_proto::identity::Account;
use a2n_proto::workflow::{
    Workflow, WorkflowComment, WorkflowShare, WorkflowTrigger, WorkflowVersion,
};

use super::File;
use crate::store::execution::{self, Kept};
use crate::store::keys::KeyRange;
use crate::store::rows::{self, Stored};
use crate::store::schema::{
    EXECUTION, EXECUTION_DATA, EXECUTION_ITERATION, EXECUTION_METRICS, EXECUTION_METRICS_MORE,
    EXECUTION_STATE, EXECUTION_STATE_ADDED, EXECUTION_VALUE, TRIGGER, Table, USER, WORKFLOW,
};
use crate::store::{Error, Read, tombstone};

/// Tables whose keys begin with the execution that their rows belong to.
const OF_EXECUTIONS: [Table; 7] = [
    EXECUTION_DATA,
    EXECUTION_STATE,
    EXECUTION_STATE_ADDED,
    EXECUTION_VALUE,
    EXECUTION_ITERATION,
    EXECUTION_METRICS,
    EXECUTION_METRICS_MORE,
];

impl<R: Read> File<'_, R> {
    /// What is kept beside an execution's row has that row.
    pub(super) fn beside_executions(&mut self) -> Result<(), Error> {
        let read = self.read;
        for table in OF_EXECUTIONS {
            let mut wrong: Vec<Vec<u8>> = Vec::new();
            read.scan(table, &KeyRange::all(), false, &mut |key, _| {
                let row = key.get(..16).map(|id| rows::has(read, EXECUTION, id)).transpose()?;
                if row != Some(true) {
                    wrong.push(key.to_vec());
                }
                Ok(ControlFlow::Continue(()))
            })?;
            for key in wrong {
                self.wrong(table, &key, "the row belongs to no execution");
            }
        }
        let mut wrong: Vec<Vec<u8>> = Vec::new();
        read.scan(EXECUTION_STATE, &KeyRange::all(), false, &mut |key, _| {
            let id = key.first_chunk().map(|id| ExecutionId::from_bytes(*id));
            let state = id.map(|id| execution::state_here(read, id)).transpose();
            match state {
                Err(Error::Damaged { .. }) => wrong.push(key.to_vec()),
                Err(e) => return Err(e),
                Ok(_) => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for key in wrong {
            self.wrong(EXECUTION_STATE, &key, "a part of the state is missing or damaged");
        }
        Ok(())
    }

    /// Every reference leads somewhere, or to something whose children are still to be removed.
    pub(super) fn references(&mut self) -> Result<(), Error> {
        type Refs = Vec<(&'static str, Table, [u8; 16])>;
        fn walk<T: Stored, R: Read>(
            file: &mut File<'_, R>,
            refs: &dyn Fn(&T) -> Refs,
        ) -> Result<(), Error> {
            let read = file.read;
            let mut wrong: Vec<(Vec<u8>, String)> = Vec::new();
            read.scan(T::TABLE, &KeyRange::all(), false, &mut |key, value| {
                let Ok(row) = rows::decode::<T>(read, key, value) else {
                    return Ok(ControlFlow::Continue(()));
                };
                for (field, table, id) in refs(&row) {
                    if !rows::has(read, table, &id)? && !tombstone::covers(read, table, &id)? {
                        let id = ExecutionId::from_bytes(id);
                        wrong.push((
                            key.to_vec(),
                            format!("{field} names {id}, which is not there"),
                        ));
                    }
                }
                Ok(ControlFlow::Continue(()))
            })?;
            for (key, what) in wrong {
                file.wrong(T::TABLE, &key, what);
            }
            Ok(())
        }
        walk::<Account, R>(self, &|row| vec![("userId", USER, *row.user_id.as_bytes())])?;
        walk::<Workflow, R>(self, &|row| vec![("userId", USER, *row.user_id.as_bytes())])?;
        walk::<WorkflowVersion, R>(self, &|row| {
            vec![
                ("workflowId", WORKFLOW, *row.workflow_id.as_bytes()),
                ("userId", USER, *row.user_id.as_bytes()),
            ]
        })?;
        walk::<WorkflowTrigger, R>(self, &|row| {
            vec![
                ("workflowId", WORKFLOW, *row.workflow_id.as_bytes()),
                ("userId", USER, *row.user_id.as_bytes()),
            ]
        })?;
        walk::<WorkflowShare, R>(self, &|row| {
            vec![
                ("workflowId", WORKFLOW, *row.workflow_id.as_bytes()),
                ("ownerId", USER, *row.owner_id.as_bytes()),
                ("sharedWithUserId", USER, *row.shared_with_user_id.as_bytes()),
            ]
        })?;
        walk::<WorkflowComment, R>(self, &|row| {
            vec![
                ("workflowId", WORKFLOW, *row.workflow_id.as_bytes()),
                ("userId", USER, *row.user_id.as_bytes()),
            ]
        })?;
        walk::<Kept, R>(self, &|row| {
            let row = &row.execution;
            let mut refs = vec![
                ("workflowId", WORKFLOW, *row.workflow_id.as_bytes()),
                ("userId", USER, *row.user_id.as_bytes()),
            ];
            refs.extend(row.trigger_id.map(|id| ("triggerId", TRIGGER, *id.as_bytes())));
            refs
        })?;
        walk::<ExecutionSchedule, R>(self, &|row| {
            let mut refs = vec![
                ("workflowId", WORKFLOW, *row.workflow_id.as_bytes()),
                ("userId", USER, *row.user_id.as_bytes()),
            ];
            refs.extend(row.trigger_id.map(|id| ("triggerId", TRIGGER, *id.as_bytes())));
            refs
        })
    }
}
