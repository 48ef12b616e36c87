//! From an older store to ours: an ordered list of steps, each in one transaction.
//!
//! A step is a function from the old layout to the new one. The identity row changes in the same
//! transaction, so a crash leaves the store before a step or after it, never within.

use std::sync::Arc;

use a2n_proto::SchemaMigrationId;
use a2n_proto::system::{MigrationStatus, SchemaMigration};
use redb::{Database, Durability};
use sha2::{Digest, Sha256};

use super::audit::Head;
use super::keys::{Key, hex};
use super::meta::{self, Identity};
use super::open::{OpenError, Options};
use super::read::Quarantine;
use super::rows::{self, Stored};
use super::schema::{self, Table};
use super::{Error, Tx};

/// One step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// The schema after it.
    pub(crate) to: u32,
    /// Short.
    pub(crate) name: &'static str,
    /// The oldest schema of a daemon that may read the store after it.
    pub(crate) min_reader: u32,
    /// The oldest schema of a daemon that may write to it after it.
    pub(crate) min_writer: u32,
    /// What it does.
    pub(crate) run: fn(&mut Tx<'_>) -> Result<(), Error>,
}

/// Every step, in order; the first makes a new store.
pub(crate) const STEPS: &[Step] = &[Step {
    to: 1,
    name: "first layout",
    min_reader: schema::MIN_READER,
    min_writer: schema::MIN_WRITER,
    run: |_| Ok(()),
}];

impl Stored for SchemaMigration {
    const TABLE: Table = schema::MIGRATION;
    const ENTITY: &'static str = "schemaMigration";
}

/// Every step that was taken, oldest first.
pub fn list(read: &impl super::Read) -> Result<Vec<SchemaMigration>, Error> {
    let paging = rows::Paging { limit: usize::MAX, cursor: None, newest_first: false };
    let all = super::keys::KeyRange::all();
    let page = rows::page(read, schema::MIGRATION, all, &paging, &mut |key, value| {
        rows::decode(read, key, value).map(Some)
    })?;
    Ok(page.items)
}

/// Makes an empty database a store.
pub(crate) fn make(database: &Database, options: &Options) -> Result<(), Error> {
    let identity = Identity {
        schema: 0,
        min_reader: schema::MIN_READER,
        min_writer: schema::MIN_WRITER,
        install_id: options.install_id,
        version: options.version.clone(),
    };
    take(database, options, identity, STEPS)
}

/// Brings an open database to our schema.
pub(crate) fn run(
    database: &Database,
    options: &Options,
    quarantine: &Arc<Quarantine>,
) -> Result<(), OpenError> {
    let path = options.data_folder.join("store");
    run_steps(database, options, quarantine, STEPS).map_err(|e| super::open::open_failed(&path, &e))
}

pub(crate) fn run_steps(
    database: &Database,
    options: &Options,
    quarantine: &Arc<Quarantine>,
    steps: &[Step],
) -> Result<(), Error> {
    let transaction = redb::ReadableDatabase::begin_read(database)
        .map_err(|e| Error::storage("beginning a read", redb::Error::from(e)))?;
    let source = super::read::Source::new(transaction, Arc::clone(quarantine));
    let Some(identity) = meta::identity(&source)? else {
        return Err(Error::Damaged { table: schema::META.name, key: "identity".into() });
    };
    drop(source);
    take(database, options, identity, steps)
}

/// Takes the steps that are still to be taken.
fn take(
    database: &Database,
    options: &Options,
    mut identity: Identity,
    steps: &[Step],
) -> Result<(), Error> {
    for step in steps.iter().filter(|step| step.to > identity.schema).copied().collect::<Vec<_>>() {
        identity = Identity {
            schema: step.to,
            min_reader: step.min_reader,
            min_writer: step.min_writer,
            install_id: identity.install_id,
            version: options.version.clone(),
        };
        one(database, options, &identity, step)?;
    }
    Ok(())
}

/// One step in one transaction, with its row and the new identity.
fn one(
    database: &Database,
    options: &Options,
    identity: &Identity,
    step: Step,
) -> Result<(), Error> {
    let failed = |e: redb::Error| Error::storage("migrating", e);
    let mut transaction = database.begin_write().map_err(|e| failed(e.into()))?;
    transaction.set_durability(Durability::Immediate).map_err(|e| failed(e.into()))?;
    transaction.set_quick_repair(true);
    let guard = Quarantine::default();
    let mut tx = Tx::alone(&transaction, &guard, Head::default());
    tx.begin(super::Origin::daemon(options.at, "MIGRATION"));
    tx.open_all()?;
    (step.run)(&mut tx)?;
    let id = SchemaMigrationId::from_parts(
        u64::try_from(options.at.as_unix_ms()).unwrap_or(0),
        [0, 0, 0, 0, 0, 0, 0, 0, 0, u8::try_from(step.to).unwrap_or(u8::MAX)],
    );
    let row = SchemaMigration {
        id,
        revision: 1,
        created_at: options.at,
        updated_at: options.at,
        version: step.to.to_string(),
        name: step.name.to_owned(),
        description: None,
        filename: format!("migrations/{:04}", step.to),
        checksum: hex(&Sha256::digest(format!("{} {}", step.to, step.name))),
        execution_time: None,
        status: MigrationStatus::Success,
        error_message: None,
        rollback: None,
        dependencies: if step.to > 1 { vec![(step.to - 1).to_string()] } else { Vec::new() },
        applied_at: Some(options.at),
        rolled_back_at: None,
        applied_by: Some(options.version.clone()),
    };
    rows::put(&mut tx, &Key::new().u32(step.to), &row)?;
    meta::put_identity(&mut tx, identity)?;
    let commit = meta::commit(&tx)? + 1;
    meta::put_commit(&mut tx, commit)?;
    drop(tx);
    transaction.commit().map_err(|e| failed(e.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{World, options};
    use crate::store::{Read, Snapshot};
    use crate::system::disk::{Disk, How, SimDisk};

    fn rename(tx: &mut Tx<'_>) -> Result<(), Error> {
        rows::put_as(tx, schema::META, &Key::new().text("renamed"), &true)
    }

    fn fail(tx: &mut Tx<'_>) -> Result<(), Error> {
        rows::put_as(tx, schema::META, &Key::new().text("half"), &true)?;
        Err(Error::Closed)
    }

    fn step(to: u32, run: fn(&mut Tx<'_>) -> Result<(), Error>) -> Step {
        Step { to, name: "a step of a test", min_reader: 1, min_writer: to, run }
    }

    /// Runs steps on a store that was made and closed.
    fn migrate(disk: &SimDisk, steps: &[Step]) -> Result<(), Error> {
        let backend = disk.open(std::path::Path::new("/data/store/state.redb"), How::Write);
        let database = redb::Builder::new().create_with_backend(backend.unwrap()).unwrap();
        run_steps(&database, &options(disk), &Arc::new(Quarantine::default()), steps)
    }

    fn made() -> SimDisk {
        let world = World::new();
        world.store.close();
        world.disk.clone()
    }

    fn has(read: &Snapshot, name: &str) -> bool {
        read.look(schema::META, Key::new().text(name).as_bytes(), &mut |_| Ok(())).unwrap()
    }

    #[test]
    fn steps_are_taken_in_order_once_and_noted() {
        let disk = made();
        let steps = [STEPS[0], step(2, rename), step(3, |_| Ok(()))];
        migrate(&disk, &steps).unwrap();
        migrate(&disk, &steps).unwrap();
        let error = Store::open(options(&disk)).expect_err("we write up to schema 1");
        assert_eq!(error.exit_code(), 78);
        let backend = disk.open(std::path::Path::new("/data/store/state.redb"), How::Write);
        let database = redb::Builder::new().create_with_backend(backend.unwrap()).unwrap();
        let transaction = redb::ReadableDatabase::begin_read(&database).unwrap();
        let source = crate::store::read::Source::new(transaction, Arc::new(Quarantine::default()));
        let versions: Vec<_> =
            list(&source).unwrap().into_iter().map(|row| (row.version, row.status)).collect();
        let done = |n: &str| (n.to_owned(), MigrationStatus::Success);
        assert_eq!(versions, [done("1"), done("2"), done("3")]);
    }

    #[test]
    fn a_step_that_fails_leaves_the_store_as_it_was() {
        let disk = made();
        migrate(&disk, &[STEPS[0], step(2, fail)]).expect_err("fails");
        let world = World::on(disk);
        assert_eq!(world.store.identity().unwrap().unwrap().schema, 1);
        assert!(!has(&world.read(), "half"));
    }

    use crate::store::Store;
}
