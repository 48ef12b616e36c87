//! Every reference leads somewhere, or to something whose children are still to be removed.

use std::ops::ControlFlow;

use a2n_proto::ExecutionId;
use a2n_proto::execution::ExecutionSchedule;
use a2n_proto::identity::Account;
use a2n_proto::workflow::{
    Workflow, WorkflowComment, WorkflowShare, WorkflowTrigger, WorkflowVersion,
};

use super::File;
use crate::store::execution::Kept;
use crate::store::keys::KeyRange;
use crate::store::rows::{self, Stored};
use crate::store::schema::{TRIGGER, Table, USER, WORKFLOW};
use crate::store::{Error, Read, tombstone};

impl<R: Read> File<'_, R> {
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
