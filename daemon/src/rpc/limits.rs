//! What one client, and all together, may take: frames, connections, calls, subscriptions, time.
//!
//! Each number is a setting; the defaults stand here. A limit that is reached is said to the client
//! by name, and never slows anybody else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The limits of the socket.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request (one line, one HTTP body, one WebSocket message).
    pub max_frame_in_bytes: usize,
    /// Largest answer.
    pub max_frame_out_bytes: usize,
    /// Connections of all users together.
    pub max_connections: usize,
    /// Connections of one user of the operating system.
    pub max_connections_per_uid: usize,
    /// Calls being answered, of all connections together; one more is told OVERLOADED.
    pub max_in_flight: usize,
    /// Calls being answered on one connection; further ones wait in the client's own buffer.
    pub max_in_flight_per_connection: usize,
    /// Open subscriptions on one connection.
    pub max_subscriptions_per_connection: usize,
    /// Calls in one batch.
    pub max_batch: usize,
    /// How long a new connection may stay silent; afterwards there is no idle limit.
    pub first_byte_within: Duration,
    /// How long a message that has begun may stand still before the connection is closed.
    pub message_within: Duration,
    /// How long a client may leave its answers unread before it is dropped.
    pub write_stall: Duration,
    /// How long calls in flight may take once the daemon stops.
    pub stop_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_in_bytes: 4 << 20,
            max_frame_out_bytes: 16 << 20,
            // A soft descriptor limit of 1024 is usual; steps and segments need some too.
            max_connections: 512,
            max_connections_per_uid: 256,
            max_in_flight: 4096,
            max_in_flight_per_connection: 256,
            max_subscriptions_per_connection: 64,
            max_batch: 100,
            first_byte_within: Duration::from_secs(30),
            message_within: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            stop_grace: Duration::from_secs(4),
        }
    }
}

/// The places for connections, counted in all and per uid.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    per_uid: BTreeMap<u32, usize>,
}

/// One connection's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Arc<Mutex<Taken>>,
    uid: u32,
}

impl Places {
    /// A place for `uid`, or the name of the limit that is reached.
    pub(crate) fn take(&self, uid: u32, limits: &Limits) -> Result<Place, &'static str> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= limits.max_connections {
            return Err("connections");
        }
        let own = taken.per_uid.entry(uid).or_default();
        if *own >= limits.max_connections_per_uid {
            return Err("connections of one user");
        }
        *own += 1;
        taken.all += 1;
        Ok(Place { taken: Arc::clone(&self.taken), uid })
    }

    /// How many connections there are.
    pub(crate) fn n_taken(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(own) = taken.per_uid.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                taken.per_uid.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_per_uid_and_come_back() {
        let limits = Limits { max_connections: 3, max_connections_per_uid: 2, ..Limits::default() };
        let places = Places::default();
        let first = places.take(1, &limits).unwrap();
        let _second = places.take(1, &limits).unwrap();
        assert_eq!(places.take(1, &limits).unwrap_err(), "connections of one user");
        let _other = places.take(2, &limits).unwrap();
        assert_eq!(places.take(3, &limits).unwrap_err(), "connections");
        drop(first);
        assert!(places.take(1, &limits).is_ok());
        assert_eq!(places.n_taken(), 2);
    }
}
