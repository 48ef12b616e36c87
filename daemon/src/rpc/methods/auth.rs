//! `auth.*`: who is calling, and which outside identities act as whom.

use a2n_proto::api::Deleted;
use a2n_proto::api::auth::{
    Link, LinkParams, Unlink, UnlinkParams, Via, Whoami, WhoamiAnswer, WhoamiUser,
};
use a2n_proto::identity::Account;
use a2n_proto::{AccountId, ErrorKind, RpcError};

use super::super::once::{Key, Once};
use super::super::{Call, Context, Identity, Registry};
use crate::access::people::{self, UnixUser};
use crate::store::account;
use crate::system::host;

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<Whoami, _>(|_, call, _| async move {
        let user = match &call.identity {
            Identity::Account(caller) => {
                Some(WhoamiUser { id: caller.user, name: caller.name.clone(), role: caller.role })
            }
            Identity::Unmapped | Identity::Refused => None,
        };
        Ok(WhoamiAnswer { user, via: Via::Unix, uid: Some(call.peer.uid) })
    });
    registry.method::<Link, _>(|context, call, params| async move {
        link(&context, &call, params).await
    });
    registry.method::<Unlink, _>(|context, call, params| async move {
        unlink(&context, &call, params).await
    });
}

async fn link(context: &Context, call: &Call, params: LinkParams) -> Result<Account, RpcError> {
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    if let Some(before) = Once::before(once.as_ref())
        && let Some(account) = account::get(&context.store.read()?, before)?
    {
        return Ok(account);
    }
    only_unix(&params.provider)?;
    context.several_people()?;
    let unix = unix_user(&params.account_id).await?;
    let id = AccountId::from_bytes(context.system.new_id());
    let (caller, key) = (call.caller()?.clone(), Once::key(once.as_ref()));
    let made = context.store.write_as(context.origin(call)?, move |tx| {
        let made = people::link(tx, &caller, id, params.user_id, &unix)?;
        Key::remember(key.as_ref(), tx, made.id)?;
        Ok::<_, people::Error>(made)
    });
    Ok(made.await?)
}

async fn unlink(context: &Context, call: &Call, params: UnlinkParams) -> Result<Deleted, RpcError> {
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    if let Some(before) = Once::before::<AccountId>(once.as_ref()) {
        return Ok(Deleted::of(before));
    }
    only_unix(&params.provider)?;
    let (caller, key) = (call.caller()?.clone(), Once::key(once.as_ref()));
    let gone = context.store.write_as(context.origin(call)?, move |tx| {
        let gone = people::unlink(tx, &caller, &params.provider, &params.account_id)?;
        Key::remember(key.as_ref(), tx, gone)?;
        Ok::<_, people::Error>(gone)
    });
    Ok(Deleted::of(gone.await?))
}

fn only_unix(provider: &str) -> Result<(), RpcError> {
    if provider == account::UNIX {
        return Ok(());
    }
    let message = format!("there is no provider `{}`", provider.escape_debug());
    Err(RpcError::new(ErrorKind::Invalid, message)
        .at("provider")
        .hint("`unix` is the one there is"))
}

/// The user of the operating system that a number stands for; its name is looked up now.
pub(super) async fn unix_user(number: &str) -> Result<UnixUser, RpcError> {
    let Ok(uid) = number.parse::<u32>() else {
        let message = format!("`{}` is not a uid", number.escape_debug());
        return Err(RpcError::new(ErrorKind::Invalid, message)
            .at("accountId")
            .hint("the number that `id -u` tells"));
    };
    // The user database may be far away.
    let found = tokio::task::spawn_blocking(move || host::known_login_name(uid)).await;
    Ok(UnixUser { uid, login_name: found.unwrap_or_default() })
}
