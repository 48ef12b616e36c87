//! What executions name of attachments against the marks for it, in both directions.

use std::ops::ControlFlow;

use a2n_proto::ExecutionId;

use super::File;
use crate::store::execution::{Kept, hash_at, marks_of, named};
use crate::store::keys::{Key, KeyRange, KeyReader, last_id};
use crate::store::rows;
use crate::store::schema::{
    EXECUTION, EXECUTION_ATTACHMENT, EXECUTION_BY_ATTACHMENT, EXECUTION_DATA, EXECUTION_STATE,
    EXECUTION_STATE_ADDED, EXECUTION_VALUE, Table,
};
use crate::store::{Error, Read};

impl<R: Read> File<'_, R> {
    /// Every hash that is named has its marks, and every mark its twin and its execution.
    pub(super) fn attachments(&mut self) -> Result<(), Error> {
        let read = self.read;
        let mut wrong: Vec<(Table, Vec<u8>, &'static str)> = Vec::new();
        read.scan(EXECUTION, &KeyRange::all(), false, &mut |key, value| {
            let Some(id) = KeyReader::new(key).id() else {
                return Ok(ControlFlow::Continue(()));
            };
            // Damaged ones are in the list of checksums already.
            let Ok(_) = rows::decode::<Kept>(read, key, value) else {
                return Ok(ControlFlow::Continue(()));
            };
            let mut hashes = named(value);
            for table in [EXECUTION_DATA, EXECUTION_STATE] {
                read.look(table, key, &mut |value| {
                    hashes.extend(named(value));
                    Ok(())
                })?;
            }
            for table in [EXECUTION_STATE_ADDED, EXECUTION_VALUE] {
                read.scan(table, &Key::of_id(&id).under(), false, &mut |_, value| {
                    hashes.extend(named(value));
                    Ok(ControlFlow::Continue(()))
                })?;
            }
            for hash in hashes {
                for (table, mark) in marks_of(ExecutionId::from_bytes(id), hash) {
                    if !rows::has(read, table, mark.as_bytes())? {
                        wrong.push((EXECUTION, key.to_vec(), "an attachment's mark is missing"));
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for table in [EXECUTION_ATTACHMENT, EXECUTION_BY_ATTACHMENT] {
            let is_forward = table == EXECUTION_ATTACHMENT;
            read.scan(table, &KeyRange::all(), false, &mut |key, _| {
                let (id, hash) = if is_forward {
                    (KeyReader::new(key).id(), hash_at(key, 16))
                } else {
                    (last_id(key), hash_at(key, 0))
                };
                let (Some(id), Some(hash)) = (id, hash) else {
                    wrong.push((table, key.to_vec(), "the mark can't be read"));
                    return Ok(ControlFlow::Continue(()));
                };
                for (other, mark) in marks_of(ExecutionId::from_bytes(id), hash) {
                    if !rows::has(read, other, mark.as_bytes())? {
                        wrong.push((table, key.to_vec(), "the mark's twin is missing"));
                    }
                }
                if !rows::has(read, EXECUTION, &id)? {
                    wrong.push((table, key.to_vec(), "the mark leads to no execution"));
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        for (table, key, what) in wrong {
            self.wrong(table, &key, what);
        }
        Ok(())
    }
}
