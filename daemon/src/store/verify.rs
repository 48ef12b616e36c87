//! The whole store looked through: checksums, indexes both ways, references, chain, feed, history.
//!
//! Reads one snapshot and reports what is wrong as a list; it never panics and never repairs. An
//! index is compared in both directions without holding it in memory: each row's entries must be
//! there, and each entry must lead to a row that has it.

mod attachments;
mod indexes;
mod references;

use std::ops::ControlFlow;

use a2n_proto::Change;

use super::history::Kind;
use super::keys::{Key, KeyRange, hex};
use super::read::checked;
use super::schema::{self, TABLES, Table};
use super::{Error, Read, Store, audit, codec};

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
    file.beside_executions()?;
    file.plans()?;
    file.attachments()?;
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
        match name.kind {
            Kind::ExecutionsSuccess | Kind::ExecutionsOther => {
                file.executions()?;
                file.beside_executions()?;
                file.attachments()?;
            }
            Kind::Ledger => file.plans()?,
            // The chain was followed through these, and a roll-up has its key only.
            Kind::Audit | Kind::Rollup => {}
        }
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
mod tests;
