//! What the service manager is told: ready, stopping, one line of status, and that we live.
//!
//! Without `NOTIFY_SOCKET` every call does nothing. The watchdog is fed only when the unit asks
//! for it, at half its interval.

use std::time::Duration;

use sd_notify::NotifyState;

/// Says that start-up is over and what the daemon does now.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Says that the daemon is on its way down.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

/// How often [`alive`] must be called; `None` where nobody waits for it.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// Feeds the watchdog.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(state: &[NotifyState<'_>]) {
    match sd_notify::notify(state) {
        Ok(()) => {}
        // Whoever started it waited for the first word only and is gone, as `a2n quickstart` is.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            tracing::debug!(%error, "nobody is there to be told");
        }
        Err(error) => tracing::warn!(%error, "service manager not told"),
    }
}
