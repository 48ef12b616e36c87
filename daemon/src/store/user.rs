//! user: a person or a service that owns things. Email is unique whatever its case; there is
//! always an active OWNER.

use a2n_proto::UserId;
use a2n_proto::identity::{Role, User, UserStatus};

use super::keys::{Key, KeyRange, last_id};
use super::rows::{self, Page, Paging, Stored, Unique};
use super::schema::{self, Table, USER_BY_EMAIL, USER_BY_ROLE, USER_BY_STATUS};
use super::{Error, Read, Tx};

impl Stored for User {
    const TABLE: Table = schema::USER;
    const ENTITY: &'static str = "user";
}

fn key(id: UserId) -> Key {
    Key::of_id(id.as_bytes())
}

/// The user with this id.
pub fn get(read: &impl Read, id: UserId) -> Result<Option<User>, Error> {
    rows::get(read, key(id).as_bytes())
}

/// The user with this id, or *not found*.
pub fn require(read: &impl Read, id: UserId) -> Result<User, Error> {
    rows::require(read, key(id).as_bytes(), &id)
}

/// The user with this email, whatever its case.
pub fn find_by_email(read: &impl Read, email: &str) -> Result<Option<User>, Error> {
    match rows::unique_id(read, USER_BY_EMAIL, &email_key(email))? {
        Some(id) => get(read, UserId::from_bytes(id)),
        None => Ok(None),
    }
}

/// Users, newest first unless asked otherwise; only of a role or a status where these are given.
pub fn list(
    read: &impl Read,
    role: Option<Role>,
    status: Option<UserStatus>,
    paging: &Paging,
) -> Result<Page<User>, Error> {
    list_where(read, role, status, paging, &mut |_| Ok(true))
}

/// The same, without those that `sees` leaves out.
pub(crate) fn list_where(
    read: &impl Read,
    role: Option<Role>,
    status: Option<UserStatus>,
    paging: &Paging,
    sees: &mut dyn FnMut(&User) -> Result<bool, Error>,
) -> Result<Page<User>, Error> {
    let (table, range) = match (role, status) {
        (Some(role), _) => (USER_BY_ROLE, Key::new().u8(role as u8).under()),
        (None, Some(status)) => (USER_BY_STATUS, Key::new().u8(status as u8).under()),
        (None, None) => (schema::USER, KeyRange::all()),
    };
    rows::page(read, table, range, paging, &mut |key, _| {
        let id = last_id(key).ok_or_else(|| read.damaged(table, key))?;
        let Some(user) = get(read, UserId::from_bytes(id))? else { return Ok(None) };
        let fits = status.is_none_or(|status| user.status == status) && sees(&user)?;
        Ok(fits.then_some(user))
    })
}

/// Adds to a user's lifetime counts, without a new revision. A row that is gone or damaged counts
/// nothing: no execution may fail because of it.
pub(crate) fn count(tx: &mut Tx<'_>, id: UserId, created: u64, executed: u64) -> Result<(), Error> {
    let mut user = match get(tx, id) {
        Ok(Some(user)) => user,
        Ok(None) | Err(Error::Damaged { .. }) => return Ok(()),
        Err(e) => return Err(e),
    };
    user.workflows_created += created;
    user.workflows_executed += executed;
    rows::put(tx, &key(id), &user)
}

/// Writes a user with its indexes; counts stay as they are. The last active OWNER can't be demoted
/// or shut out.
pub fn put(tx: &mut Tx<'_>, user: &User) -> Result<(), Error> {
    let old = get(tx, user.id)?;
    if let Some(old) = &old
        && rules(old)
        && !rules(user)
        && !another_owner(tx, user.id)?
    {
        return Err(Error::Precondition {
            message: format!("{} is the last OWNER", old.name),
            hint: Some("make another user OWNER first".into()),
        });
    }
    let email = user.email.as_deref().unwrap_or_default();
    rows::move_unique(
        tx,
        &Unique { table: USER_BY_EMAIL, entity: "user", field: "email", value: email },
        old.as_ref().and_then(|old| old.email.as_deref()).map(email_key),
        user.email.as_deref().map(email_key),
        user.id.as_bytes(),
    )?;
    for (table, key) in INDEXES {
        rows::move_mark(tx, table, old.as_ref().map(key), Some(key(user)))?;
    }
    let (created, executed) = match &old {
        Some(old) => (old.workflows_created, old.workflows_executed),
        None => (user.workflows_created, user.workflows_executed),
    };
    let counted = User { workflows_created: created, workflows_executed: executed, ..user.clone() };
    rows::put(tx, &key(user.id), &counted)
}

type KeyOf = fn(&User) -> Key;

/// The indexes that only point back, and their keys.
pub(crate) const INDEXES: [(Table, KeyOf); 2] = [
    (USER_BY_ROLE, |user| Key::new().u8(user.role as u8).id(user.id.as_bytes())),
    (USER_BY_STATUS, |user| Key::new().u8(user.status as u8).id(user.id.as_bytes())),
];

pub(crate) fn email_key(email: &str) -> Key {
    Key::new().text(&email.to_lowercase())
}

/// A reference to a user: *dangling* where there is none.
pub(crate) fn check(
    read: &impl Read,
    id: UserId,
    entity: &'static str,
    field: &'static str,
) -> Result<(), Error> {
    if rows::has(read, schema::USER, key(id).as_bytes())? {
        return Ok(());
    }
    Err(Error::Dangling { entity, field, id: id.to_string() })
}

fn rules(user: &User) -> bool {
    user.role == Role::Owner && user.status == UserStatus::Active
}

fn another_owner(read: &impl Read, but: UserId) -> Result<bool, Error> {
    let owners = list(read, Some(Role::Owner), Some(UserStatus::Active), &Paging::first(100))?;
    Ok(owners.items.iter().any(|owner| owner.id != but))
}
