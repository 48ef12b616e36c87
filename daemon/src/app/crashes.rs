//! Counts crashes of the daemon, so that it does not go on crashing: a file with the times of the
//! last starts that followed one, written before the engine starts and removed by an orderly stop.

use std::path::PathBuf;
use std::time::Duration;

use a2n_proto::Timestamp;

use crate::system::disk::{Disk, RealDisk};

/// Crashes that lie further apart do not count together.
const WITHIN: Duration = Duration::from_secs(300);
/// Times are 24 bytes each; more than this many are not kept.
const MOST: usize = 100;

/// The file.
pub(super) struct Crashes {
    path: PathBuf,
}

impl Crashes {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Notes that the start at `now` follows a crash; answers how many there were lately.
    pub(super) fn note(&self, now: Timestamp) -> usize {
        let before = RealDisk.read(&self.path, 64 * MOST).unwrap_or_default();
        let lately = noted(&String::from_utf8_lossy(&before), now);
        let text: String = lately.iter().map(|at| format!("{at}\n")).collect();
        if let Err(error) = RealDisk.replace(&self.path, text.as_bytes()) {
            tracing::warn!(%error, path = %self.path.display(), "a crash is not counted");
        }
        lately.len()
    }

    /// It stopped in order, or a person took over.
    pub(super) fn forget(&self) {
        let _ = RealDisk.remove(&self.path);
    }
}

/// The times that count, this one included. One that lies ahead was noted by a wrong clock.
fn noted(before: &str, now: Timestamp) -> Vec<Timestamp> {
    let times = before.lines().filter_map(|line| line.parse::<Timestamp>().ok());
    let mut lately: Vec<Timestamp> =
        times.filter(|at| *at <= now && now.since(*at) < WITHIN).collect();
    lately.push(now);
    let more = lately.len().saturating_sub(MOST);
    lately.drain(..more);
    lately
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crashes_of_the_last_five_minutes_count() {
        let at =
            |minute: u32| format!("2026-11-23T00:{minute:02}:00Z").parse::<Timestamp>().unwrap();
        let text =
            |times: &[Timestamp]| -> String { times.iter().map(|at| format!("{at}\n")).collect() };
        let one = noted("", at(0));
        assert_eq!(one.len(), 1);
        let two = noted(&text(&one), at(4));
        assert_eq!(two.len(), 2);
        assert_eq!(noted(&text(&two), at(6)).len(), 2, "the first lies too long ago");
        assert_eq!(noted("torn\n2026-11-2", at(0)).len(), 1);
        assert_eq!(noted(&text(&[at(9)]), at(0)).len(), 1, "the clock was set back");
    }

    #[test]
    fn the_file_remembers_until_it_is_told_to_forget() {
        let folder = tempfile::tempdir().unwrap();
        let crashes = Crashes::new(folder.path().join("crashes"));
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        assert_eq!((crashes.note(now), crashes.note(now), crashes.note(now)), (1, 2, 3));
        crashes.forget();
        assert_eq!(crashes.note(now), 1);
    }
}
