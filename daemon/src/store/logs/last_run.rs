//! How the last run ended, so that a start knows whether the power may have been cut.

use std::io;
use std::sync::Arc;

use a2n_segment::Disk;

use super::error::Error;

/// How the last run ended: the file `run` holds a boot id and `open` or `clean`.
pub(super) struct LastRun(Option<(String, bool)>);

const RUN: &str = "run";
const NEW_RUN: &str = "run.new";

impl LastRun {
    pub(super) fn read(disk: &dyn Disk) -> Result<Self, Error> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = vec![0u8; 256];
            let n = disk.open(RUN)?.read_at(&mut bytes, 0)?;
            bytes.truncate(n);
            Ok(bytes)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self(None)),
            Err(e) => return Err(Error::Run(Arc::new(e))),
        };
        let text = String::from_utf8_lossy(&bytes);
        let run = text.trim_end().rsplit_once(' ');
        Ok(Self(run.map(|(id, how)| (id.to_owned(), how == "clean"))))
    }
    /// Also true where nothing is known: then there are either no streams yet, or all care is due.
    pub(super) fn may_have_lost_power(&self, boot_id: &str) -> bool {
        // No boot id (a sandbox may hide it) tells nothing either.
        self.0.as_ref().is_none_or(|(id, clean)| !clean && (id != boot_id || id.is_empty()))
    }
    pub(super) fn write(disk: &dyn Disk, boot_id: &str, clean: bool) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            match disk.remove(NEW_RUN) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let file = disk.create(NEW_RUN)?;
            let text = format!("{boot_id} {}\n", if clean { "clean" } else { "open" });
            file.write_at(text.as_bytes(), 0)?;
            file.sync()?;
            disk.rename(NEW_RUN, RUN)?;
            disk.sync()
        };
        write().map_err(|e| Error::Run(Arc::new(e)))
    }
}
