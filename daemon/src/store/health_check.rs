//! healthCheck: what is watched and how it is, by service name.

use a2n_proto::system::HealthCheck;

use super::keys::{Key, KeyRange};
use super::rows::{self, Stored};
use super::schema::{self, Table};
use super::{Error, Read, Tx};

impl Stored for HealthCheck {
    const TABLE: Table = schema::HEALTH;
    const ENTITY: &'static str = "healthCheck";
}

fn key(service: &str) -> Key {
    Key::new().text(service)
}

/// The check of a service.
pub fn get(read: &impl Read, service: &str) -> Result<Option<HealthCheck>, Error> {
    rows::get(read, key(service).as_bytes())
}

/// Every check, by service name.
pub fn list(read: &impl Read) -> Result<Vec<HealthCheck>, Error> {
    let paging = rows::Paging { limit: usize::MAX, cursor: None, newest_first: false };
    let page = rows::page(read, schema::HEALTH, KeyRange::all(), &paging, &mut |key, value| {
        rows::decode(read, key, value).map(Some)
    })?;
    Ok(page.items)
}

/// Writes a check.
pub fn put(tx: &mut Tx<'_>, check: &HealthCheck) -> Result<(), Error> {
    rows::put(tx, &key(&check.service_name), check)
}

/// Removes a check. Answers whether it was there.
pub fn remove(tx: &mut Tx<'_>, service: &str) -> Result<bool, Error> {
    rows::remove(tx, schema::HEALTH, &key(service))
}
