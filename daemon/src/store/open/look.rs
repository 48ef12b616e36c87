//! Looks at what stands in the data folder, touching nothing. What is inside the file is read through
//! an overlay in memory, since an ordinary open changes it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use redb::{ReadableDatabase, TableHandle};

use super::file::build;
use super::marker::Marker;
use super::refusal::{RESTORE, chain, open_failed};
use super::{OpenError, Options};
use crate::store::history::FileName;
use crate::store::meta::{self, Identity};
use crate::store::read::{Quarantine, Source};
use crate::store::{Error, schema};
use crate::system::disk::{Backend, How, Overlay, Place};

/// What a redb file begins with.
pub(super) const MAGIC: &[u8; 9] = b"redb\x1A\x0A\xA9\x0D\x0A";
/// What stands there.
pub(super) enum Found {
    /// A first start.
    Nothing,
    /// Something that may be our store.
    Store,
}

/// Looks at what stands in the data folder, touching nothing.
pub(super) fn look(options: &Options) -> Result<Found, OpenError> {
    let place =
        |path: &Path| options.disk.look(path).map_err(|e| OpenError::io("looking at", path, &e));
    let wrong = |path: &Path, wanted: &str| {
        let what = format!("{} is not {wanted}", path.display());
        Err(OpenError::unusable(what, "move it away, or choose another folder by --data-dir"))
    };
    let gone = |path: &Path| {
        let what = format!(
            "{} is gone, though {} says that a store was made there",
            path.display(),
            options.marker().display()
        );
        Err(OpenError::unusable(what, RESTORE))
    };
    let (data, folder, state) = (options.data_folder.clone(), options.folder(), options.state());
    match place(&data)? {
        Place::Absent => return Ok(Found::Nothing),
        Place::Folder => {}
        _ => return wrong(&data, "a folder"),
    }
    let marked = match place(&options.marker())? {
        Place::Absent => false,
        Place::File { .. } => true,
        _ => return wrong(&options.marker(), "a marker file of A2N"),
    };
    match place(&folder)? {
        Place::Absent if marked => return gone(&folder),
        Place::Absent => return Ok(Found::Nothing),
        Place::Folder => {}
        _ => return wrong(&folder, "a folder"),
    }
    match place(&state)? {
        Place::Absent if marked => gone(&state),
        Place::Absent => {
            let names = options
                .disk
                .list(&folder)
                .map_err(|e| OpenError::io("listing the folder", &folder, &e))?;
            if names.iter().any(|name| FileName::parse(name).is_some()) {
                let what =
                    format!("{} is gone, though its history files are there", state.display());
                return Err(OpenError::unusable(what, RESTORE));
            }
            Ok(Found::Nothing)
        }
        Place::File { .. } => Ok(Found::Store),
        _ => wrong(&state, "a file"),
    }
}

/// Looks into the state file without changing it: ours, whole, not newer, not older than marked.
pub(super) fn check_state(options: &Options, marker: Option<&Marker>) -> Result<(), OpenError> {
    let path = options.state();
    let shown = path.display();
    let bytes =
        options.disk.read(&path, MAGIC.len()).map_err(|e| OpenError::io("reading", &path, &e))?;
    if bytes.is_empty() {
        return Err(OpenError::unusable(format!("{shown} is empty"), RESTORE));
    }
    if bytes != MAGIC {
        let what = format!("{shown} is not a store of A2N");
        return Err(OpenError::unusable(what, "move it away, or choose another by --data-dir"));
    }
    let (identity, commit) = peek(options, &path)?;
    if identity.min_reader > schema::SCHEMA {
        let what = format!(
            "{shown} was written by a2nd {} with schema {}, this one reads up to {}",
            identity.version,
            identity.schema,
            schema::SCHEMA
        );
        return Err(OpenError::unusable(what, "start the newer a2nd, or restore an older backup"));
    }
    if identity.schema > schema::SCHEMA && identity.min_writer > schema::SCHEMA {
        let what = format!("{shown} has schema {}, which this a2nd can't write", identity.schema);
        return Err(OpenError::unusable(what, "start the newer a2nd, or restore an older backup"));
    }
    let Some(marker) = marker else { return Ok(()) };
    if identity.install_id != marker.install_id {
        let what = format!(
            "{shown} belongs to installation {}, the marker beside it to {}",
            identity.install_id, marker.install_id
        );
        return Err(OpenError::unusable(what, "put the right store there, or remove the marker"));
    }
    if commit < marker.commit {
        let what = format!(
            "{shown} is older than what was acknowledged: it ends at commit {commit}, the marker \
             says {}",
            marker.commit
        );
        let hint = "put the newest store there; to go on with this one, remove the marker";
        return Err(OpenError::unusable(what, hint));
    }
    Ok(())
}

/// Who the file says it is, read through an overlay: repair happens in memory only.
pub(super) fn peek(options: &Options, path: &Path) -> Result<(Identity, u64), OpenError> {
    let backend = options
        .disk
        .open(path, How::Look)
        .and_then(Overlay::over)
        .map_err(|e| OpenError::io("opening", path, &e))?;
    // redb may panic over a file that is not what its header says.
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let database = build(options, Backend::new(backend), options.check_all)?;
        let transaction = database
            .begin_read()
            .map_err(|e| Error::storage("beginning a read", redb::Error::from(e)))?;
        let foreign = transaction
            .list_tables()
            .map_err(|e| Error::storage("listing tables", redb::Error::from(e)))?
            .any(|table| schema::TABLES.iter().all(|ours| ours.name != table.name()));
        let source = Source::new(transaction, Arc::new(Quarantine::default()));
        Ok::<_, Error>((meta::identity(&source)?, meta::commit(&source)?, foreign))
    }));
    let unusable = |what: String, hint: &str| Err(OpenError::unusable(what, hint));
    let shown = path.display();
    match looked {
        Ok(Ok((Some(identity), commit, _))) => Ok((identity, commit)),
        Ok(Ok((None, _, true))) => {
            unusable(format!("{shown} is another program's database"), "move it away")
        }
        Ok(Ok((None, _, false))) => {
            unusable(format!("{shown} is an empty store, nothing was ever written to it"), RESTORE)
        }
        Ok(Err(e)) => match &e {
            Error::Storage { source, .. } if matches!(**source, redb::Error::Io(ref e) if e.raw_os_error().is_some()) => {
                Err(open_failed(path, &e))
            }
            _ => unusable(format!("{shown} is damaged: {}", chain(&e)), RESTORE),
        },
        Err(_) => unusable(format!("{shown} is damaged or cut off"), RESTORE),
    }
}
