//! systemNotification: what people should know; each user's inbox, unread first, and the global one.

use a2n_proto::system::SystemNotification;
use a2n_proto::{SystemNotificationId, UserId};

use super::keys::{Key, KeyRange, last_id};
use super::rows::{self, Page, Paging, Stored};
use super::schema::{self, NOTIFICATION, NOTIFICATION_BY_USER, Table};
use super::{Error, Read, Tx, user};

impl Stored for SystemNotification {
    const TABLE: Table = NOTIFICATION;
    const ENTITY: &'static str = "systemNotification";
}

/// The notification with this id.
pub fn get(
    read: &impl Read,
    id: SystemNotificationId,
) -> Result<Option<SystemNotification>, Error> {
    rows::get(read, id.as_bytes())
}

/// The same, or *not found*.
pub fn require(read: &impl Read, id: SystemNotificationId) -> Result<SystemNotification, Error> {
    rows::require(read, id.as_bytes(), &id)
}

/// A user's own, read or unread; newest first unless asked otherwise.
pub fn list(
    read: &impl Read,
    user: UserId,
    is_read: bool,
    paging: &Paging,
) -> Result<Page<SystemNotification>, Error> {
    let range = Key::of_id(user.as_bytes()).flag(is_read).under();
    rows::page(read, NOTIFICATION_BY_USER, range, paging, &mut |key, _| {
        let id = last_id(key).ok_or_else(|| read.damaged(NOTIFICATION_BY_USER, key))?;
        get(read, SystemNotificationId::from_bytes(id))
    })
}

/// What one user sees: their own and the global ones.
pub fn list_seen(
    read: &impl Read,
    user: UserId,
    paging: &Paging,
) -> Result<Page<SystemNotification>, Error> {
    rows::page(read, NOTIFICATION, KeyRange::all(), paging, &mut |key, value| {
        let one: SystemNotification = rows::decode(read, key, value)?;
        Ok((one.is_global || one.user_id == Some(user)).then_some(one))
    })
}

/// Writes a notification with its index.
pub fn put(tx: &mut Tx<'_>, one: &SystemNotification) -> Result<(), Error> {
    if let Some(user) = one.user_id {
        user::check(tx, user, "systemNotification", "userId")?;
    }
    let old = get(tx, one.id)?;
    rows::move_mark(tx, NOTIFICATION_BY_USER, old.as_ref().and_then(by_user), by_user(one))?;
    rows::put(tx, &Key::of_id(one.id.as_bytes()), one)
}

/// Removes a notification. Answers whether it was there.
pub fn remove(tx: &mut Tx<'_>, id: SystemNotificationId) -> Result<bool, Error> {
    let Some(old) = get(tx, id)? else { return Ok(false) };
    if let Some(key) = by_user(&old) {
        rows::remove(tx, NOTIFICATION_BY_USER, &key)?;
    }
    rows::remove(tx, schema::NOTIFICATION, &Key::of_id(id.as_bytes()))
}

pub(crate) fn by_user(one: &SystemNotification) -> Option<Key> {
    let user = one.user_id?;
    Some(Key::of_id(user.as_bytes()).flag(one.is_read).id(one.id.as_bytes()))
}
