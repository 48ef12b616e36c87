//! Room on the disk: a reserve that is given up when it is full, and whether new work may come.

use std::io;

use super::{OpenError, Options};
use crate::store::Error;
use crate::system::disk::Place;
use crate::system::files::is_full;

/// What may change while the store is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Below this much free no new work is accepted.
    pub least_free_bytes: u64,
    /// Below this share of the disk free no new work is accepted.
    pub least_free_percent: u64,
    /// How long a caller's idempotency key holds, in milliseconds.
    pub idempotency_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            least_free_bytes: 512 << 20,
            least_free_percent: 5,
            idempotency_ms: 7 * 24 * 3_600_000,
        }
    }
}

impl Limits {
    /// Below this nothing new is accepted on a disk of this size: the larger of both.
    pub fn least_free(self, total_bytes: u64) -> u64 {
        self.least_free_bytes.max(total_bytes / 100 * self.least_free_percent)
    }
}

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
pub(crate) fn restore_ballast(options: &Options, limits: Limits) {
    let space = options.disk.space(&options.folder());
    let plenty = space.is_ok_and(|space| {
        space.free > limits.least_free_bytes.saturating_add(options.ballast_bytes)
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
pub(crate) fn room(options: &Options, limits: Limits) -> Result<(), Error> {
    if let Some(reason) = gone(options) {
        return Err(Error::Refusing { reason });
    }
    let space = options
        .disk
        .space(&options.data_folder)
        .map_err(|e| Error::storage("asking for room", redb::Error::Io(e)))?;
    let least = limits.least_free(space.total);
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
