//! Who may do what with users and their ways in.

use a2n_proto::identity::{Role, User, UserStatus};
use a2n_proto::{AccountId, Json, UserId};

use super::*;
use crate::store::Error as StoreError;
use crate::store::testing::{World, caller};

fn unix(uid: u32) -> UnixUser {
    UnixUser { uid, login_name: Some(format!("login{uid}")) }
}

/// User 1 is the OWNER whom the first start made.
fn world() -> World {
    let world = World::new();
    world.write(0, |tx| {
        let (id, account) = (UserId::from_bytes([101; 16]), AccountId::from_bytes([101; 16]));
        let boss = a_new(101, "boss", Role::Owner, Some(unix(500)));
        assert_eq!(boss.ids, (id, account));
        create(tx, &caller(1, Role::Owner), boss).map_err(expect_store)
    });
    world
}

fn a_new(n: u8, name: &str, role: Role, unix: Option<UnixUser>) -> NewUser {
    NewUser {
        ids: (UserId::from_bytes([n; 16]), AccountId::from_bytes([n; 16])),
        name: name.into(),
        email: None,
        role,
        unix,
    }
}

fn expect_store(error: Error) -> StoreError {
    match error {
        Error::Store(error) => error,
        other => StoreError::Precondition { message: other.to_string(), hint: None },
    }
}

/// What becomes of a change: `yes` or what stood in its way.
fn told<T: Send + 'static>(
    world: &World,
    change: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
) -> String {
    match world.try_write(1, move |tx| change(tx).map_err(expect_store)) {
        Ok(_) => "yes".into(),
        Err(error) => error.to_string(),
    }
}

fn id(n: u8) -> UserId {
    UserId::from_bytes([n; 16])
}

fn patch(text: &str) -> Json {
    Json::parse(text).unwrap()
}

#[test]
fn an_admin_looks_after_everybody_but_owners() {
    let world = world();
    let admin = || caller(7, Role::Admin);
    let create_as =
        |n, role| told(&world, move |tx| create(tx, &admin(), a_new(n, "x", role, None)));
    assert_eq!(create_as(2, Role::User), "yes");
    assert_eq!(create_as(3, Role::Admin), "yes");
    assert_eq!(create_as(4, Role::Owner), "only an OWNER may make another OWNER");
    let change = |n, text: &'static str| {
        told(&world, move |tx| update(tx, &admin(), id(n), &patch(text), None))
    };
    assert_eq!(change(2, r#"{"role":"ADMIN"}"#), "yes");
    assert_eq!(change(2, r#"{"role":"OWNER"}"#), "only an OWNER may change an OWNER or make one");
    assert_eq!(
        change(101, r#"{"status":"SUSPENDED"}"#),
        "only an OWNER may change an OWNER or make one"
    );
    assert_eq!(
        told(&world, move |tx| link(
            tx,
            &admin(),
            AccountId::from_bytes([9; 16]),
            id(101),
            &unix(7)
        )),
        "only an OWNER may link a way in to an OWNER"
    );
    assert_eq!(
        told(&world, move |tx| unlink(tx, &admin(), "unix", "500")),
        "only an OWNER may unlink a way in of an OWNER"
    );
    assert_eq!(
        told(&world, move |tx| delete(tx, &admin(), id(101), None)),
        "only an OWNER may remove an OWNER"
    );
}

#[test]
fn the_last_owner_stays_one() {
    let world = World::new();
    world.write(0, |tx| {
        let ids = (id(1), AccountId::from_bytes([1; 16]));
        crate::store::account::first_start(tx, 0, "root", ids)
    });
    // The test world has users of its own: whoever else rules there is made a USER first.
    let owner = || caller(1, Role::Owner);
    let owners: Vec<User> = crate::store::user::list(
        &world.read(),
        Some(Role::Owner),
        Some(UserStatus::Active),
        &store::Paging::first(100),
    )
    .unwrap()
    .items;
    let (last, others) = owners.split_last().unwrap();
    let last = last.id;
    for other in others {
        let other = other.id;
        let demote =
            told(&world, move |tx| update(tx, &owner(), other, &patch(r#"{"role":"USER"}"#), None));
        assert_eq!(demote, "yes");
    }
    for text in [r#"{"role":"ADMIN"}"#, r#"{"status":"SUSPENDED"}"#, r#"{"status":"INACTIVE"}"#] {
        let said = told(&world, move |tx| update(tx, &owner(), last, &patch(text), None));
        assert!(said.ends_with("is the last OWNER"), "{said}");
    }
    let said = told(&world, move |tx| delete(tx, &owner(), last, None));
    assert!(said.ends_with("is the last OWNER"), "{said}");
}

#[test]
fn a_way_in_is_one_user_s_and_the_last_one_stays() {
    let world = world();
    let owner = || caller(1, Role::Owner);
    let user = a_new(2, "bob", Role::User, Some(unix(1001)));
    assert_eq!(told(&world, move |tx| create(tx, &owner(), user)), "yes");
    let twice = a_new(3, "eve", Role::User, Some(unix(1001)));
    let said = told(&world, move |tx| create(tx, &owner(), twice));
    assert_eq!(said, "providerId/accountId `unix/1001` is taken by another account");
    // Nothing is left of the half that would have been written.
    assert!(crate::store::user::get(&world.read(), id(3)).unwrap().is_none());
    let take = |uid: &'static str| told(&world, move |tx| unlink(tx, &owner(), "unix", uid));
    assert_eq!(take("1001"), "it is the user's last way in");
    let account = AccountId::from_bytes([22; 16]);
    assert_eq!(told(&world, move |tx| link(tx, &owner(), account, id(2), &unix(1002))), "yes");
    assert_eq!(take("1001"), "yes");
    assert_eq!(take("1001"), "no account `unix/1001`");
}

#[test]
fn who_is_deleted_leaves_no_name_and_no_way_in() {
    let world = world();
    let owner = || caller(1, Role::Owner);
    let user = NewUser {
        email: Some("Bob@Example.org".into()),
        ..a_new(2, "bob", Role::User, Some(unix(1001)))
    };
    assert_eq!(told(&world, move |tx| create(tx, &owner(), user)), "yes");
    let mut theirs = crate::store::testing::a_workflow(77, "theirs");
    theirs.user_id = id(2);
    let workflow = theirs.id;
    world.write(1, move |tx| crate::store::workflow::put(tx, &theirs));
    assert_eq!(told(&world, move |tx| delete(tx, &owner(), id(2), None)), "yes");
    let read = world.read();
    let gone = crate::store::user::require(&read, id(2)).unwrap();
    assert_eq!((gone.name.as_str(), gone.email, gone.status), (GONE, None, UserStatus::Deleted));
    assert_eq!(crate::store::account::find_by_uid(&read, 1001).unwrap(), None);
    let archived = crate::store::workflow::require(&read, workflow).unwrap();
    assert!(archived.archived_at.is_some());
    let again = told(&world, move |tx| delete(tx, &owner(), id(2), None));
    assert!(again.ends_with("is deleted"), "{again}");
    // The uid and the address are free for somebody else.
    let other = NewUser {
        email: Some("bob@example.org".into()),
        ..a_new(3, "bea", Role::User, Some(unix(1001)))
    };
    assert_eq!(told(&world, move |tx| create(tx, &owner(), other)), "yes");
}

#[test]
fn names_and_addresses_are_checked() {
    let world = world();
    let owner = || caller(1, Role::Owner);
    let named = |name: &str| {
        let new = a_new(2, name, Role::User, None);
        told(&world, move |tx| create(tx, &owner(), new))
    };
    for bad in ["", "  ", "a/b", "a\u{1b}[2J", &"x".repeat(129)] {
        assert_eq!(named(bad), "a name has 1 to 128 characters, none of them `/`", "{bad:?}");
    }
    assert_eq!(named("Zoë van Dijk"), "yes");
    let change = |text: &'static str| {
        told(&world, move |tx| update(tx, &owner(), id(2), &patch(text), None))
    };
    assert_eq!(change(r#"{"email":"nobody"}"#), "`nobody` is not an address");
    assert_eq!(change(r#"{"email":"zoe@example.org"}"#), "yes");
    assert_eq!(change(r#"{"status":"DELETED"}"#), "a user is not deleted by a change of status");
    assert!(change(r#"{"password":"x"}"#).contains("can't be changed"), "");
    assert!(change(r#"{"isActive":false}"#).contains("can't be changed"), "");
}
