//! account: a link from an outside identity to a user; (provider, account id) is unique. The first
//! start makes one OWNER bound to a user of the operating system.

use a2n_proto::identity::{Account, Role, User, UserStatus};
use a2n_proto::{AccountId, ChangeKind, Json, UserId};

use super::keys::{Key, KeyRange, last_id};
use super::rows::{self, Page, Paging, Stored, Unique};
use super::schema::{self, ACCOUNT_BY_PROVIDER, ACCOUNT_BY_USER, Table};
use super::{Error, Read, Tx, user};

/// The provider of links to users of the operating system.
pub const UNIX: &str = "unix";

impl Stored for Account {
    const TABLE: Table = schema::ACCOUNT;
    const ENTITY: &'static str = "account";
}

/// The account with this id.
pub fn get(read: &impl Read, id: AccountId) -> Result<Option<Account>, Error> {
    rows::get(read, id.as_bytes())
}

/// The account of an outside identity.
pub fn find(read: &impl Read, provider: &str, account_id: &str) -> Result<Option<Account>, Error> {
    match rows::unique_id(read, ACCOUNT_BY_PROVIDER, &provider_key(provider, account_id))? {
        Some(id) => get(read, AccountId::from_bytes(id)),
        None => Ok(None),
    }
}

/// The user that a user of the operating system is mapped to, with the account that says so.
pub fn find_by_uid(read: &impl Read, uid: u32) -> Result<Option<(User, Account)>, Error> {
    let Some(account) = find(read, UNIX, &uid.to_string())? else { return Ok(None) };
    Ok(user::get(read, account.user_id)?.map(|user| (user, account)))
}

/// A user's accounts, oldest first.
pub fn list(read: &impl Read, user: UserId) -> Result<Vec<Account>, Error> {
    let range = Key::of_id(user.as_bytes()).under();
    let mut accounts = Vec::new();
    for key in rows::some_keys(read, ACCOUNT_BY_USER, &range, 1000)? {
        let id = last_id(&key).ok_or_else(|| read.damaged(ACCOUNT_BY_USER, &key))?;
        accounts.extend(get(read, AccountId::from_bytes(id))?);
    }
    Ok(accounts)
}

/// Accounts of all users that `sees` does not leave out, newest first unless asked otherwise.
pub(crate) fn list_where(
    read: &impl Read,
    paging: &Paging,
    sees: &mut dyn FnMut(&Account) -> Result<bool, Error>,
) -> Result<Page<Account>, Error> {
    rows::page(read, schema::ACCOUNT, KeyRange::all(), paging, &mut |key, value| {
        let one: Account = rows::decode(read, key, value)?;
        Ok(sees(&one)?.then_some(one))
    })
}

/// Writes an account with its indexes.
pub fn put(tx: &mut Tx<'_>, account: &Account) -> Result<(), Error> {
    user::check(tx, account.user_id, "account", "userId")?;
    let old = get(tx, account.id)?;
    let value = format!("{}/{}", account.provider_id, account.account_id);
    rows::move_unique(
        tx,
        &Unique {
            table: ACCOUNT_BY_PROVIDER,
            entity: "account",
            field: "providerId/accountId",
            value: &value,
        },
        old.as_ref().map(by_provider),
        Some(by_provider(account)),
        account.id.as_bytes(),
    )?;
    rows::move_mark(tx, ACCOUNT_BY_USER, old.as_ref().map(by_user), Some(by_user(account)))?;
    rows::put(tx, &Key::of_id(account.id.as_bytes()), account)
}

/// Removes an account.
pub fn remove(tx: &mut Tx<'_>, id: AccountId) -> Result<(), Error> {
    let old: Account = rows::require(tx, id.as_bytes(), &id)?;
    rows::remove(tx, ACCOUNT_BY_PROVIDER, &by_provider(&old))?;
    rows::remove(tx, ACCOUNT_BY_USER, &by_user(&old))?;
    rows::remove(tx, schema::ACCOUNT, &Key::of_id(id.as_bytes())).map(|_| ())
}

/// Makes the OWNER bound to a user of the operating system, where there is no user yet. Answers
/// whether it did. The ids are those of the new user and account.
pub fn first_start(
    tx: &mut Tx<'_>,
    owner_uid: u32,
    login_name: &str,
    ids: (UserId, AccountId),
) -> Result<bool, Error> {
    if !rows::some_keys(tx, schema::USER, &KeyRange::all(), 1)?.is_empty() {
        return Ok(false);
    }
    let at = tx.at();
    let owner = User {
        id: ids.0,
        revision: 1,
        created_at: at,
        updated_at: at,
        name: login_name.to_owned(),
        email: None,
        email_verified: false,
        image: None,
        password: None,
        role: Role::Owner,
        status: UserStatus::Active,
        is_active: true,
        last_login_at: None,
        two_factor_enabled: false,
        two_factor_secret: None,
        workflows_created: 0,
        workflows_executed: 0,
    };
    let account = Account {
        id: ids.1,
        revision: 1,
        created_at: at,
        updated_at: at,
        provider_id: UNIX.to_owned(),
        account_id: owner_uid.to_string(),
        login_name: Some(login_name.to_owned()),
        access_token: None,
        refresh_token: None,
        id_token: None,
        access_token_expires_at: None,
        refresh_token_expires_at: None,
        scope: None,
        user_id: owner.id,
    };
    user::put(tx, &owner)?;
    put(tx, &account)?;
    let fields = Json::of(&serde_json::json!({"name": owner.name, "role": Role::Owner}));
    tx.change("user", owner.id, 1, ChangeKind::Created, fields, None, None);
    tx.audit("user.create", "user", owner.id, Json::null(), Json::of(&owner));
    tx.audit("account.create", "account", account.id, Json::null(), Json::of(&account));
    Ok(true)
}

pub(crate) fn by_provider(account: &Account) -> Key {
    provider_key(&account.provider_id, &account.account_id)
}

fn provider_key(provider: &str, account_id: &str) -> Key {
    Key::new().text(provider).text(account_id)
}

pub(crate) fn by_user(account: &Account) -> Key {
    Key::of_id(account.user_id.as_bytes()).id(account.id.as_bytes())
}
