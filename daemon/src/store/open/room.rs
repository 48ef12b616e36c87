//! Room on the disk: a reserve that is given up when it is full, and whether new work may come.

use std::io;

use super::{OpenError, Options};
use crate::store::Error;
use crate::system::disk::Place;
use crate::system::files::is_full;

/// Takes the room that is given up when the disk is full. Where there is none for it, but some is
/// left, the store opens all the same and accepts no new work.
pub(super) fn reserve_ballast(options: &Options) -> Result<(), OpenError> {
    let path = options.ballast();
    let failed = |e: &io::Error| OpenError::io("reserving room in", &options.folder(), e);
    let wanted = options.ballast_bytes;
    match options.disk.look(&path).map_err(|e| failed(&e))? {
        Place::File { len } if len >= wanted => return Ok(()),
        _ if wanted == 0 => return Ok(()),
        _ => {}
    }
    match options.disk.reserve(&path, wanted) {
        Ok(()) => Ok(()),
        Err(e) if is_full(&e) => {
            let free = options.disk.space(&options.folder()).map_or(0, |space| space.free);
            if free < LEAST_TO_OPEN { Err(failed(&e)) } else { Ok(()) }
        }
        Err(e) => Err(failed(&e)),
    }
}

/// Room without which not even opening is tried: a new store takes about half of it.
pub(super) const LEAST_TO_OPEN: u64 = 8 << 20;

/// Gives up the reserved room.
pub(crate) fn free_ballast(options: &Options) {
    match options.disk.remove(&options.ballast()) {
        Ok(()) => tracing::warn!("disk full, reserved room given up"),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => tracing::error!(error = %e, "reserved room not given up"),
    }
}

/// Reserves it again once there is plenty.
pub(crate) fn restore_ballast(options: &Options) {
    let space = options.disk.space(&options.folder());
    let plenty = space.is_ok_and(|space| {
        space.free > options.least_free_bytes.saturating_add(options.ballast_bytes)
    });
    let there = options.disk.look(&options.ballast());
    if plenty
        && options.ballast_bytes > 0
        && matches!(there, Ok(Place::Absent))
        && let Err(e) = options.disk.reserve(&options.ballast(), options.ballast_bytes)
    {
        tracing::warn!(error = %e, "room not reserved");
    }
}

/// Whether new work may come: the file is still where a restart will look for it, and there is more
/// room than the larger of both settings.
pub(crate) fn room(options: &Options) -> Result<(), Error> {
    if let Some(reason) = gone(options) {
        return Err(Error::Refusing { reason });
    }
    let space = options
        .disk
        .space(&options.data_folder)
        .map_err(|e| Error::storage("asking for room", redb::Error::Io(e)))?;
    let part = space.total / 100 * options.least_free_percent;
    let least = options.least_free_bytes.max(part);
    if space.free < least {
        return Err(Error::NoRoom { free: space.free, least });
    }
    Ok(())
}

/// What is said where somebody took the file away: it can be written on, and nobody would find it.
pub(crate) fn gone(options: &Options) -> Option<String> {
    let state = options.state();
    let is_there = matches!(options.disk.look(&state), Ok(Place::File { .. }));
    (!is_there).then(|| format!("{} is gone; put it back or restore a backup", state.display()))
}
