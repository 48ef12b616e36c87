//! appSetting: the tunables that were set in the store, by key.

use a2n_proto::system::AppSetting;

use super::keys::{Key, KeyRange};
use super::rows::{self, Stored};
use super::schema::{self, Table};
use super::{Error, Read, Tx};

impl Stored for AppSetting {
    const TABLE: Table = schema::SETTING;
    const ENTITY: &'static str = "appSetting";
}

fn key(name: &str) -> Key {
    Key::new().text(name)
}

/// The setting with this key.
pub fn get(read: &impl Read, name: &str) -> Result<Option<AppSetting>, Error> {
    rows::get(read, key(name).as_bytes())
}

/// Every setting that was set, by key.
pub fn list(read: &impl Read) -> Result<Vec<AppSetting>, Error> {
    let paging = rows::Paging { limit: usize::MAX, cursor: None, newest_first: false };
    let page = rows::page(read, schema::SETTING, KeyRange::all(), &paging, &mut |key, value| {
        rows::decode(read, key, value).map(Some)
    })?;
    Ok(page.items)
}

/// Writes a setting.
pub fn put(tx: &mut Tx<'_>, setting: &AppSetting) -> Result<(), Error> {
    rows::put(tx, &key(&setting.key), setting)
}

/// Takes a setting back. Answers whether it was set.
pub fn remove(tx: &mut Tx<'_>, name: &str) -> Result<bool, Error> {
    rows::remove(tx, schema::SETTING, &key(name))
}
