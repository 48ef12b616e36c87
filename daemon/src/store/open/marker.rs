//! The marker beside the store's folder: which installation it is and how far it came.

use std::io;

use a2n_proto::InstallId;
use serde::{Deserialize, Serialize};

use super::{OpenError, Options};
use crate::system::disk::Place;

/// What the marker file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Marker {
    pub(super) install_id: InstallId,
    pub(super) commit: u64,
}

/// The marker, where there is one.
pub(super) fn read_marker(options: &Options) -> Result<Option<Marker>, OpenError> {
    let path = options.marker();
    let failed = |e| OpenError::io("reading the marker", &path, &e);
    if options.disk.look(&path).map_err(failed)? == Place::Absent {
        return Ok(None);
    }
    let bytes = options.disk.read(&path, 4096).map_err(failed)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| {
        let what = format!("the marker {} can't be read", path.display());
        OpenError::unusable(what, "if the store beside it is yours, remove the marker")
    })
}

/// Replaces the marker.
pub(crate) fn write_marker(
    options: &Options,
    install_id: InstallId,
    commit: u64,
) -> io::Result<()> {
    let text = a2n_proto::Json::of(&Marker { install_id, commit }).to_string() + "\n";
    options.disk.replace(&options.marker(), text.as_bytes())
}
