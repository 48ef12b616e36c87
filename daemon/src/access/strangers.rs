//! A uid that was given to somebody else since it was linked: whoever has it now is nobody here, and the
//! user whose way in it was is told.

use a2n_proto::identity::Account;
use a2n_proto::system::{Priority, SystemNotification};
use a2n_proto::{Json, SystemNotificationId};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::store::{self, Tx, system_notification};

/// Writes down that a linked uid has another login name now: an audit row, and a notification for the
/// user. Once for each name, however often somebody of that name tries.
pub fn note(tx: &mut Tx<'_>, account: &Account, uid: u32, now: &str) -> Result<(), store::Error> {
    let (id, at) = (id_of(account, now), tx.at());
    if system_notification::get(tx, id)?.is_some() {
        return Ok(());
    }
    let was = account.login_name.as_deref().unwrap_or_default();
    let facts = Json::from(json!({"uid": uid, "was": was, "now": now, "accountId": account.id}));
    tx.audit(
        "account.renamed",
        "account",
        account.id,
        Json::from(json!({"loginName": was})),
        Json::from(json!({"loginName": now, "uid": uid, "refused": true})),
    );
    system_notification::put(
        tx,
        &SystemNotification {
            id,
            revision: 1,
            created_at: at,
            updated_at: at,
            title: format!("uid {uid} is not {was} any more"),
            message: format!(
                "The uid {uid}, by which you get in as `{was}`, belongs to `{now}` now, who was refused. \
                 Where that is you under a new name, unlink the account and link it again."
            ),
            kind: None,
            priority: Priority::High,
            category: Some("SECURITY".into()),
            is_read: false,
            is_global: false,
            expires_at: None,
            action_url: None,
            action_label: None,
            metadata: facts,
            deliveries: Vec::new(),
            read_at: None,
            user_id: Some(account.user_id),
            created_by: None,
        },
    )
}

/// The same whenever the same is noted.
fn id_of(account: &Account, now: &str) -> SystemNotificationId {
    let hash = Sha256::digest(format!("{}/{now}", account.id));
    let mut random = [0; 10];
    random.copy_from_slice(&hash[..10]);
    let ms = u64::try_from(account.updated_at.as_unix_ms()).unwrap_or(0);
    SystemNotificationId::from_parts(ms, random)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{World, user};
    use crate::store::{Paging, account, audit};
    use a2n_proto::system::AuditLog;

    #[test]
    fn another_name_at_a_linked_uid_is_told_once_for_each_name() {
        let world = World::new();
        let found = account::list(&world.read(), user(1)).unwrap().remove(0);
        for (ms, now) in [(1, "bert"), (2, "bert"), (3, "carl")] {
            let found = found.clone();
            world.write(ms, move |tx| note(tx, &found, 1000, now));
        }
        let read = world.read();
        let paging = Paging::first(10);
        let told = system_notification::list(&read, user(1), false, &paging).unwrap().items;
        let mut said: Vec<&str> = told.iter().map(|one| one.message.as_str()).collect();
        said.sort_unstable();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("get in as `alice`, belongs to `bert` now"), "{said:?}");
        let renamed = |row: &AuditLog| row.action == "account.renamed";
        let rows = audit::list(&read, &audit::Query::default(), &paging, &renamed).unwrap().items;
        assert_eq!(rows.len(), 2);
    }
}
