//! Indexes and rows against each other, in both directions.

use std::ops::ControlFlow;

use a2n_proto::execution::ExecutionSchedule;
use a2n_proto::identity::{Account, User};
use a2n_proto::system::SystemNotification;
use a2n_proto::workflow::{
    Workflow, WorkflowComment, WorkflowShare, WorkflowTrigger, WorkflowVersion,
};

use super::File;
use crate::store::execution::{self, Kept};
use crate::store::keys::{Key, KeyRange, last_id};
use crate::store::read::checked;
use crate::store::rows::{self, Stored};
use crate::store::schema::{self, Table};
use crate::store::{
    Error, Read, account, execution_schedule, idempotency, system_notification, user, workflow,
    workflow_comment, workflow_share, workflow_trigger, workflow_version,
};

/// The entries that a row has in the indexes: those that only point back, and unique ones with the
/// id they must hold.
struct Entries {
    marks: Vec<(Table, Key)>,
    unique: Vec<(Table, Key)>,
}

impl<R: Read> File<'_, R> {
    /// Rows of one type against their indexes, and the indexes against the rows.
    fn indexes<T: Stored>(
        &mut self,
        marked: &[Table],
        unique: &[Table],
        entries: &dyn Fn(&T, &[u8]) -> Entries,
    ) -> Result<(), Error> {
        let read = self.read;
        let mut wrong: Vec<(Table, Vec<u8>, String)> = Vec::new();
        read.scan(T::TABLE, &KeyRange::all(), false, &mut |key, value| {
            let Ok(row) = rows::decode::<T>(read, key, value) else {
                // A checksum that fits over a body that does not: only then is it news.
                if checked(read, T::TABLE, key, value).is_ok() {
                    wrong.push((T::TABLE, key.to_vec(), "the value can't be read".into()));
                }
                return Ok(ControlFlow::Continue(()));
            };
            let has = entries(&row, key);
            for (table, entry) in has.marks {
                if !rows::has(read, table, entry.as_bytes())? {
                    let what = format!("its entry in {} is missing", table.name);
                    wrong.push((T::TABLE, key.to_vec(), what));
                }
            }
            for (table, entry) in has.unique {
                match rows::unique_id(read, table, &entry) {
                    Ok(Some(id)) if id == key => {}
                    Ok(_) => {
                        let what = format!("its entry in {} is not its own", table.name);
                        wrong.push((T::TABLE, key.to_vec(), what));
                    }
                    Err(_) => {}
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for (table, is_unique) in
            marked.iter().map(|t| (*t, false)).chain(unique.iter().map(|t| (*t, true)))
        {
            read.scan(table, &KeyRange::all(), false, &mut |entry, _| {
                let id = if is_unique {
                    // A damaged value is in the list of checksums already.
                    rows::unique_id(read, table, &Key::of_bytes(entry)).ok().flatten()
                } else {
                    last_id(entry)
                };
                let Some(id) = id else { return Ok(ControlFlow::Continue(())) };
                let row = match rows::get::<T>(read, &id) {
                    Ok(row) => row,
                    Err(Error::Damaged { .. }) => return Ok(ControlFlow::Continue(())),
                    Err(e) => return Err(e),
                };
                let leads_there = row.is_some_and(|row| {
                    let has = entries(&row, &id);
                    let found = if is_unique { has.unique } else { has.marks };
                    found.iter().any(|(t, key)| *t == table && key.as_bytes() == entry)
                });
                if !leads_there {
                    let what = "the entry leads to no row that has it".to_owned();
                    wrong.push((table, entry.to_vec(), what));
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        for (table, key, what) in wrong {
            self.wrong(table, &key, what);
        }
        Ok(())
    }

    pub(super) fn executions(&mut self) -> Result<(), Error> {
        use schema::{
            EXECUTION_BY_PARENT, EXECUTION_BY_RETRY, EXECUTION_BY_STATUS, EXECUTION_BY_TRIGGER,
            EXECUTION_BY_USER, EXECUTION_BY_WORKFLOW, EXECUTION_BY_WORKFLOW_STATUS,
        };
        let marked = [
            EXECUTION_BY_STATUS,
            EXECUTION_BY_WORKFLOW,
            EXECUTION_BY_WORKFLOW_STATUS,
            EXECUTION_BY_USER,
            EXECUTION_BY_TRIGGER,
            EXECUTION_BY_PARENT,
            EXECUTION_BY_RETRY,
            schema::EXECUTION_BY_DUE,
            schema::EXECUTION_QUEUED,
            schema::EXECUTION_IN_DOUBT,
            schema::EXECUTION_ASKING,
        ];
        self.indexes::<Kept>(&marked, &[], &|kept, _| Entries {
            marks: execution::marks(&kept.execution)
                .into_iter()
                .chain(execution::wait_marks(kept))
                .collect(),
            unique: Vec::new(),
        })?;
        let read = self.read;
        let mut apart: Vec<(Table, Vec<u8>)> = Vec::new();
        read.scan(schema::EXECUTION, &KeyRange::all(), false, &mut |key, value| {
            if let Ok(kept) = rows::decode::<Kept>(read, key, value) {
                for (table, is_apart) in [
                    (schema::EXECUTION_DATA, kept.data.is_none()),
                    (schema::EXECUTION_STATE, kept.state.is_none()),
                ] {
                    if is_apart && !rows::has(read, table, key)? {
                        apart.push((table, key.to_vec()));
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for (table, key) in apart {
            self.wrong(table, &key, "the row that an execution keeps apart is missing");
        }
        Ok(())
    }

    pub(super) fn plans(&mut self) -> Result<(), Error> {
        use schema as s;
        let plans = execution_schedule::INDEXES;
        let marked: Vec<Table> = plans.iter().map(|(table, _)| *table).collect();
        self.indexes::<ExecutionSchedule>(&marked, &[s::SCHEDULE_BY_INSTANT], &|row, _| {
            let unique = execution_schedule::by_instant(row);
            Entries {
                marks: plans.iter().filter_map(|(t, key)| Some((*t, key(row)?))).collect(),
                unique: unique.map(|key| (s::SCHEDULE_BY_INSTANT, key)).into_iter().collect(),
            }
        })
    }

    pub(super) fn entities(&mut self) -> Result<(), Error> {
        use schema as s;
        self.indexes::<User>(
            &[s::USER_BY_ROLE, s::USER_BY_STATUS],
            &[s::USER_BY_EMAIL],
            &|row, _| {
                let email = row.email.as_deref().map(|e| (s::USER_BY_EMAIL, user::email_key(e)));
                Entries {
                    marks: user::INDEXES.iter().map(|(table, key)| (*table, key(row))).collect(),
                    unique: email.into_iter().collect(),
                }
            },
        )?;
        self.indexes::<Account>(&[s::ACCOUNT_BY_USER], &[s::ACCOUNT_BY_PROVIDER], &|row, _| {
            Entries {
                marks: vec![(s::ACCOUNT_BY_USER, account::by_user(row))],
                unique: vec![(s::ACCOUNT_BY_PROVIDER, account::by_provider(row))],
            }
        })?;
        let marked = [
            s::WORKFLOW_BY_PLAIN_NAME,
            s::WORKFLOW_BY_USER,
            s::WORKFLOW_BY_VISIBILITY,
            s::WORKFLOW_BY_CATEGORY,
            s::WORKFLOW_BY_TAG,
        ];
        self.indexes::<Workflow>(&marked, &[s::WORKFLOW_BY_NAME], &|row, _| Entries {
            marks: workflow::marks(row),
            unique: vec![(s::WORKFLOW_BY_NAME, workflow::by_name(row))],
        })?;
        self.indexes::<WorkflowVersion>(&[], &[s::VERSION_BY_WORKFLOW], &|row, _| Entries {
            marks: Vec::new(),
            unique: vec![(s::VERSION_BY_WORKFLOW, workflow_version::by_workflow(row))],
        })?;
        self.indexes::<WorkflowTrigger>(
            &[s::TRIGGER_BY_KIND],
            &[s::TRIGGER_BY_WORKFLOW],
            &|row, _| Entries {
                marks: vec![(s::TRIGGER_BY_KIND, workflow_trigger::by_kind(row))],
                unique: vec![(s::TRIGGER_BY_WORKFLOW, workflow_trigger::by_workflow(row))],
            },
        )?;
        let shares = workflow_share::INDEXES;
        self.indexes::<WorkflowShare>(&[], &[shares[0].0, shares[1].0], &|row, _| Entries {
            marks: Vec::new(),
            unique: shares.iter().map(|(table, key)| (*table, key(row))).collect(),
        })?;
        let marked = [s::COMMENT_BY_WORKFLOW, s::COMMENT_BY_PARENT];
        self.indexes::<WorkflowComment>(&marked, &[], &|row, _| {
            let parent = workflow_comment::by_parent(row).map(|key| (s::COMMENT_BY_PARENT, key));
            let mut marks = vec![(s::COMMENT_BY_WORKFLOW, workflow_comment::by_workflow(row))];
            marks.extend(parent);
            Entries { marks, unique: Vec::new() }
        })?;
        self.indexes::<SystemNotification>(&[s::NOTIFICATION_BY_USER], &[], &|row, _| {
            let key = system_notification::by_user(row);
            let marks = key.map(|key| (s::NOTIFICATION_BY_USER, key)).into_iter().collect();
            Entries { marks, unique: Vec::new() }
        })?;
        self.indexes::<idempotency::Answered>(&[], &[], &|row, key| {
            let entry = idempotency::by_time(row, &Key::of_bytes(key));
            Entries { marks: vec![(s::IDEMPOTENCY_BY_TIME, entry)], unique: Vec::new() }
        })
    }
}
