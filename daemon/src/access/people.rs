//! Users and their ways in: who may be made, changed, linked and let go, by whom.
//!
//! Each function is one change in the caller's transaction, with its change and its audit row. An
//! ADMIN looks after everybody but OWNERs; only an OWNER makes, changes or removes one, and the
//! store itself keeps the last active OWNER.

use a2n_proto::identity::{Account, Role, User, UserStatus};
use a2n_proto::{AccountId, Json, UserId, merge_patch};

use super::record;
use crate::store::{self, Caller, Tx, account, user, workflow};

/// Longest name of a person, in characters.
const LONGEST_NAME: usize = 128;
/// Longest address, in bytes, as mail allows.
const LONGEST_EMAIL: usize = 254;
/// What a user who is gone is called.
const GONE: &str = "deleted user";

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Only an OWNER may do this to an OWNER, or make one.
    #[error("only an OWNER may {what}")]
    OwnersOnly {
        /// What was tried.
        what: &'static str,
    },
    /// A value that can't be taken.
    #[error("{message}")]
    Wrong {
        /// The parameter.
        path: &'static str,
        /// What is wrong with it.
        message: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The patch does not fit.
    #[error(transparent)]
    Patch(#[from] merge_patch::Refused),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Who is to be known.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The user's id and the account's.
    pub ids: (UserId, AccountId),
    /// What people call them.
    pub name: String,
    /// Unique, whatever the case.
    pub email: Option<String>,
    /// What they may do.
    pub role: Role,
    /// The user of the operating system that acts as them.
    pub unix: Option<UnixUser>,
}

/// A user of the operating system, as it is known there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixUser {
    /// The number.
    pub uid: u32,
    /// The login name; none where the number has none.
    pub login_name: Option<String>,
}

/// A daemon of one's own belongs to one person: its steps run as them, so whoever commands it is them.
pub fn refuse_in_user_mode() -> store::Error {
    store::Error::Precondition {
        message: "a daemon of your own has no further accounts: its steps run as you".into(),
        hint: Some("the system's daemon (`a2nd --system`) has accounts for several people".into()),
    }
}

/// Makes a user, with the link to a user of the operating system where one is named.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, new: NewUser) -> Result<User, Error> {
    if new.role == Role::Owner {
        owners_only(caller, "make another OWNER")?;
    }
    let at = tx.at();
    let made = User {
        id: new.ids.0,
        revision: 1,
        created_at: at,
        updated_at: at,
        name: new.name,
        email: new.email,
        email_verified: false,
        image: None,
        password: None,
        role: new.role,
        status: UserStatus::Active,
        is_active: true,
        last_login_at: None,
        two_factor_enabled: false,
        two_factor_secret: None,
        workflows_created: 0,
        workflows_executed: 0,
    };
    check(&made)?;
    user::put(tx, &made)?;
    record::changed(tx, "user.create", None, Some(&made), None);
    if let Some(unix) = new.unix {
        put_link(tx, new.ids.1, made.id, &unix)?;
    }
    Ok(made)
}

/// Changes a user as the patch says.
pub fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: UserId,
    patch: &Json,
    if_revision: Option<u64>,
) -> Result<User, Error> {
    let old = present(tx, id)?;
    fresh(&old, if_revision)?;
    let mut new = merge_patch::apply(&old, patch)?;
    if old.role == Role::Owner || new.role == Role::Owner {
        owners_only(caller, "change an OWNER or make one")?;
    }
    if new.status == UserStatus::Deleted {
        return Err(Error::Wrong {
            path: "patch.status",
            message: "a user is not deleted by a change of status".into(),
            hint: "`user.delete` (`a2n user rm`) does it",
        });
    }
    check(&new)?;
    if new == old {
        return Ok(old);
    }
    new.is_active = new.status == UserStatus::Active;
    new.email_verified &= new.email == old.email;
    new.revision += 1;
    new.updated_at = tx.at();
    user::put(tx, &new)?;
    record::changed(tx, "user.update", Some(&old), Some(&new), None);
    Ok(new)
}

/// Anonymises a user, removes all their ways in and archives their workflows. What they did stays
/// in the audit trail under their id.
pub fn delete(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: UserId,
    if_revision: Option<u64>,
) -> Result<(), Error> {
    let old = present(tx, id)?;
    fresh(&old, if_revision)?;
    if old.role == Role::Owner {
        owners_only(caller, "remove an OWNER")?;
    }
    let gone = User {
        name: GONE.into(),
        email: None,
        email_verified: false,
        image: None,
        password: None,
        status: UserStatus::Deleted,
        is_active: false,
        two_factor_enabled: false,
        two_factor_secret: None,
        revision: old.revision + 1,
        updated_at: tx.at(),
        ..old.clone()
    };
    user::put(tx, &gone)?;
    // The row says who it was, by id; what they were called is what goes.
    let named =
        |user: &User| User { name: String::new(), email: None, image: None, ..user.clone() };
    record::changed(tx, "user.delete", Some(&named(&old)), Some(&named(&gone)), None);
    for one in account::list(tx, id)? {
        account::remove(tx, one.id)?;
        record::changed(tx, "account.delete", Some(&one), None, None);
    }
    archive_all(tx, id)
}

fn archive_all(tx: &mut Tx<'_>, id: UserId) -> Result<(), Error> {
    let query = workflow::Query { user: Some(id), ..workflow::Query::default() };
    let paging = store::Paging::first(usize::MAX);
    for old in workflow::list(tx, &query, &paging)?.items {
        let mut new = old.clone();
        new.archived_at = Some(tx.at());
        new.revision += 1;
        new.updated_at = tx.at();
        workflow::put(tx, &new)?;
        record::changed(tx, "workflow.archive", Some(&old), Some(&new), Some(old.id));
    }
    Ok(())
}

/// Lets a user of the operating system act as a user.
pub fn link(
    tx: &mut Tx<'_>,
    caller: &Caller,
    account: AccountId,
    id: UserId,
    unix: &UnixUser,
) -> Result<Account, Error> {
    if present(tx, id)?.role == Role::Owner {
        owners_only(caller, "link a way in to an OWNER")?;
    }
    put_link(tx, account, id, unix)
}

/// Takes a way in back, unless it is the user's last one. Answers its id.
pub fn unlink(
    tx: &mut Tx<'_>,
    caller: &Caller,
    provider: &str,
    account_id: &str,
) -> Result<AccountId, Error> {
    let Some(old) = account::find(tx, provider, account_id)? else {
        let id = format!("{provider}/{account_id}");
        return Err(store::Error::NotFound { entity: "account", id }.into());
    };
    if user::require(tx, old.user_id)?.role == Role::Owner {
        owners_only(caller, "unlink a way in of an OWNER")?;
    }
    if account::list(tx, old.user_id)?.len() == 1 {
        return Err(store::Error::Precondition {
            message: "it is the user's last way in".into(),
            hint: Some("link another one first, or suspend or delete the user".into()),
        }
        .into());
    }
    account::remove(tx, old.id)?;
    record::changed(tx, "auth.unlink", Some(&old), None, None);
    Ok(old.id)
}

fn put_link(
    tx: &mut Tx<'_>,
    id: AccountId,
    user: UserId,
    unix: &UnixUser,
) -> Result<Account, Error> {
    let at = tx.at();
    let made = Account {
        id,
        revision: 1,
        created_at: at,
        updated_at: at,
        provider_id: account::UNIX.to_owned(),
        account_id: unix.uid.to_string(),
        login_name: unix.login_name.clone(),
        access_token: None,
        refresh_token: None,
        id_token: None,
        access_token_expires_at: None,
        refresh_token_expires_at: None,
        scope: None,
        user_id: user,
    };
    account::put(tx, &made)?;
    record::changed(tx, "auth.link", None, Some(&made), None);
    Ok(made)
}

fn owners_only(caller: &Caller, what: &'static str) -> Result<(), Error> {
    if caller.role == Role::Owner { Ok(()) } else { Err(Error::OwnersOnly { what }) }
}

/// The user, unless they are gone.
fn present(tx: &Tx<'_>, id: UserId) -> Result<User, Error> {
    let found = user::require(tx, id)?;
    if found.status == UserStatus::Deleted {
        let message = format!("user `{id}` is deleted");
        return Err(store::Error::Precondition { message, hint: None }.into());
    }
    Ok(found)
}

fn fresh(old: &User, if_revision: Option<u64>) -> Result<(), Error> {
    match if_revision {
        Some(given) if given != old.revision => Err(store::Error::Stale {
            entity: "user",
            id: old.id.to_string(),
            given,
            current: old.revision,
        }
        .into()),
        _ => Ok(()),
    }
}

fn check(user: &User) -> Result<(), Error> {
    let is_plain = |text: &str| !text.chars().any(char::is_control);
    let n_name = user.name.trim().chars().count();
    if n_name == 0 || n_name > LONGEST_NAME || user.name.contains('/') || !is_plain(&user.name) {
        return Err(Error::Wrong {
            path: "name",
            message: format!("a name has 1 to {LONGEST_NAME} characters, none of them `/`"),
            hint: "the slash stands between an owner and a workflow: owner/name",
        });
    }
    if let Some(email) = &user.email {
        let has_both = email.split_once('@').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
        let fits = has_both && email.len() <= LONGEST_EMAIL && is_plain(email);
        if !fits || email.contains([' ', '/']) {
            return Err(Error::Wrong {
                path: "email",
                message: format!("`{}` is not an address", email.escape_debug()),
                hint: "for example bob@example.org",
            });
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "people_tests.rs"]
mod tests;
