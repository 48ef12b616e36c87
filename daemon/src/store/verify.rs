//! The whole store looked through: checksums, indexes both ways, references, chain, feed, history.
//!
//! Reads one snapshot and reports what is wrong as a list; it never panics and never repairs. An
//! index is compared in both directions without holding it in memory: each row's entries must be
//! there, and each entry must lead to a row that has it.

use std::ops::ControlFlow;

use a2n_proto::execution::ExecutionSchedule;
use a2n_proto::identity::{Account, User};
use a2n_proto::system::SystemNotification;
use a2n_proto::workflow::{
    Workflow, WorkflowComment, WorkflowShare, WorkflowTrigger, WorkflowVersion,
};
use a2n_proto::{Change, ExecutionId};

use super::execution::{self, Kept};
use super::keys::{Key, KeyRange, hex, last_id};
use super::read::checked;
use super::rows::{self, Stored};
use super::schema::{self, TABLES, Table};
use super::{
    Error, Read, Store, account, audit, codec, execution_schedule, idempotency,
    system_notification, tombstone, user, workflow, workflow_comment, workflow_share,
    workflow_trigger, workflow_version,
};

/// What a look through the store found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows whose checksum was compared, history included.
    pub rows: u64,
    /// Files that were looked through.
    pub files: u64,
    /// The audit chain.
    pub audit: audit::Verified,
    /// What is wrong; no more than [`MOST`] are named.
    pub problems: Vec<Problem>,
    /// How many were found in all.
    pub found: u64,
}

/// Problems that are named; a store with more needs its backup, not a longer list.
pub const MOST: usize = 1000;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The table's stored name.
    pub table: &'static str,
    /// The key in hexadecimal; empty where it is about the table.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
}

impl Report {
    /// Whether everything is as it should be.
    pub fn is_ok(&self) -> bool {
        self.found == 0
    }
}

/// Looks through everything.
pub fn verify(store: &Store) -> Result<Report, Error> {
    let read = store.read()?;
    let mut report = Report::default();
    let mut file = File { name: "state.redb".into(), read: &read, report: &mut report };
    file.checksums()?;
    file.entities()?;
    file.executions()?;
    file.references()?;
    file.feed()?;
    report.audit = audit::verify(&read)?;
    for (seq, what) in report.audit.problems.clone() {
        let key = Key::of_u64(seq);
        note(&mut report, "state.redb", schema::AUDIT, key.as_bytes(), what);
    }
    for name in store.history().files() {
        let source = match store.history().source(name) {
            Ok(Some(source)) => source,
            Ok(None) => continue,
            Err(e) => {
                let what = format!("the file can't be opened: {e}");
                note(&mut report, &name.to_string(), schema::EXECUTION, &[], what);
                continue;
            }
        };
        let mut file = File { name: name.to_string(), read: &source, report: &mut report };
        file.checksums()?;
        file.executions()?;
    }
    Ok(report)
}

fn note(report: &mut Report, file: &str, table: Table, key: &[u8], what: String) {
    report.found += 1;
    if report.problems.len() < MOST {
        let (file, key) = (file.to_owned(), hex(key));
        report.problems.push(Problem { file, table: table.name, key, what });
    }
}

struct File<'f, R: Read> {
    name: String,
    read: &'f R,
    report: &'f mut Report,
}

/// The entries that a row has in the indexes: those that only point back, and unique ones with the
/// id they must hold.
struct Entries {
    marks: Vec<(Table, Key)>,
    unique: Vec<(Table, Key)>,
}

impl<R: Read> File<'_, R> {
    fn wrong(&mut self, table: Table, key: &[u8], what: impl Into<String>) {
        note(self.report, &self.name, table, key, what.into());
    }

    /// Every value of every table against its checksum.
    fn checksums(&mut self) -> Result<(), Error> {
        self.report.files += 1;
        for table in TABLES {
            let mut damaged: Vec<Vec<u8>> = Vec::new();
            let mut rows = 0;
            self.read.scan(*table, &KeyRange::all(), false, &mut |key, value| {
                rows += 1;
                if codec::open(table.name, key, value).is_err() {
                    let _ = self.read.damaged(*table, key);
                    damaged.push(key.to_vec());
                }
                Ok(ControlFlow::Continue(()))
            })?;
            self.report.rows += rows;
            for key in damaged {
                self.wrong(*table, &key, "the checksum does not fit");
            }
        }
        Ok(())
    }

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

    fn executions(&mut self) -> Result<(), Error> {
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
        ];
        self.indexes::<Kept>(&marked, &[], &|kept, _| Entries {
            marks: execution::marks(&kept.execution),
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

    fn entities(&mut self) -> Result<(), Error> {
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
        let plans = execution_schedule::INDEXES;
        let marked: Vec<Table> = plans.iter().map(|(table, _)| *table).collect();
        self.indexes::<ExecutionSchedule>(&marked, &[s::SCHEDULE_BY_INSTANT], &|row, _| {
            let unique = execution_schedule::by_instant(row);
            Entries {
                marks: plans.iter().filter_map(|(t, key)| Some((*t, key(row)?))).collect(),
                unique: unique.map(|key| (s::SCHEDULE_BY_INSTANT, key)).into_iter().collect(),
            }
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

    /// Every reference leads somewhere, or to something whose children are still to be removed.
    fn references(&mut self) -> Result<(), Error> {
        use schema::{TRIGGER, USER, WORKFLOW};
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

    /// The feed's numbers stand without gaps.
    fn feed(&mut self) -> Result<(), Error> {
        let read = self.read;
        let mut wrong: Vec<(Vec<u8>, String)> = Vec::new();
        let mut expected = None;
        read.scan(schema::FEED, &KeyRange::all(), false, &mut |key, value| {
            let changes: Vec<Change> = match checked(read, schema::FEED, key, value)
                .ok()
                .and_then(|(_, body)| codec::body(body).ok())
            {
                Some(changes) => changes,
                None => {
                    expected = None;
                    return Ok(ControlFlow::Continue(()));
                }
            };
            if changes.first().is_none_or(|first| Key::of_u64(first.seq).as_bytes() != key) {
                wrong.push((key.to_vec(), "the record does not begin with its number".into()));
            }
            for change in &changes {
                if expected.is_some_and(|expected| expected != change.seq) {
                    let what = format!("change {} does not follow the one before", change.seq);
                    wrong.push((key.to_vec(), what));
                }
                expected = Some(change.seq + 1);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for (key, what) in wrong {
            self.wrong(schema::FEED, &key, what);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use a2n_proto::execution::ExecutionStatus;

    use super::*;
    use crate::store::history::mover;
    use crate::store::testing::{World, a_trigger, an_execution, at, trigger_id, workflow_id};
    use crate::store::{Origin, workflow_trigger};

    fn full() -> World {
        let world = World::new();
        world.write(1, |tx| {
            workflow_trigger::put(tx, &a_trigger(1, "hourly"))?;
            for n in 0..20 {
                let mut one = an_execution(n, ExecutionStatus::Success);
                one.trigger_id = (n % 2 == 0).then(|| trigger_id(1));
                execution::insert(tx, &one, vec![1; 6000])?;
            }
            idempotency::put(tx, "alice", "workflow.run", "k", [0; 32], "x")?;
            tx.audit("a", "b", "c", a2n_proto::Json::null(), a2n_proto::Json::null());
            Ok(())
        });
        let limits = mover::Limits { keep: 10, batch: 100 };
        mover::move_some(&world.store, Origin::daemon(at(9), "MOVER"), &limits).unwrap();
        world
    }

    fn problems(world: &World) -> Vec<String> {
        let report = verify(&world.store).unwrap();
        report.problems.into_iter().map(|p| format!("{} {}", p.table, p.what)).collect()
    }

    #[test]
    fn a_sound_store_has_no_problems() {
        let world = full();
        let report = verify(&world.store).unwrap();
        assert_eq!(report.problems, []);
        assert!(report.is_ok() && report.rows > 100 && report.files == 2, "{report:?}");
    }

    #[test]
    fn each_kind_of_damage_is_named() {
        let id = *workflow_id(1).as_bytes();
        let world = full();
        world.flip(schema::WORKFLOW, Key::of_id(&id));
        assert!(problems(&world).contains(&"workflow the checksum does not fit".to_owned()));

        let world = full();
        world.write(2, |tx| {
            rows::remove(
                tx,
                schema::WORKFLOW_BY_TAG,
                &Key::new().text("daily").id(workflow_id(1).as_bytes()),
            )
        });
        assert_eq!(problems(&world), ["workflow its entry in workflow_by_tag is missing"]);

        let world = full();
        world.write(2, |tx| {
            let stray = Key::new().text("weekly").id(workflow_id(1).as_bytes());
            rows::mark(tx, schema::WORKFLOW_BY_TAG, &stray)
        });
        assert_eq!(problems(&world), ["workflow_by_tag the entry leads to no row that has it"]);

        let world = full();
        world.write(2, |tx| workflow_trigger::remove_row(tx, trigger_id(1)));
        let found = problems(&world);
        assert!(found.len() == 5 && found[0].contains("triggerId"), "{found:?}");

        let world = full();
        world.write(2, |tx| {
            let first = rows::some_keys(tx, schema::FEED, &KeyRange::all(), 1)?;
            rows::remove(
                tx,
                schema::EXECUTION_STATE,
                &Key::of_id(crate::store::testing::execution_id(15).as_bytes()),
            )?;
            assert_eq!(first.len(), 1);
            Ok(())
        });
        assert!(problems(&world)[0].contains("keeps apart"), "{:?}", problems(&world));
    }
}
