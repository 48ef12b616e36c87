//! `user.*`: people and services that own things.

use a2n_proto::api::Deleted;
use a2n_proto::api::user::{
    Create, CreateParams, Delete, DeleteParams, Filter, Get, List, Update, UpdateParams,
};
use a2n_proto::identity::{Role, User};
use a2n_proto::{AccountId, RpcError, UserId};

use super::super::context::{only, page, paging};
use super::super::once::{Key, Once};
use super::super::{Call, Context, Registry};
use super::auth::unix_user;
use crate::access::people::{self, NewUser};

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        let by = (only(&params.filter.role), only(&params.filter.status));
        let fits = |one: &User| fits(one, &params.filter);
        Ok(page(view.users(by, &paging(&params), &fits)?))
    });
    registry.method::<Get, _>(|context, call, params| async move {
        Ok(context.view(&call)?.user(params.id)?)
    });
    registry.method::<Create, _>(|context, call, params| async move {
        create(&context, &call, params).await
    });
    registry.method::<Update, _>(|context, call, params| async move {
        update(&context, &call, params).await
    });
    registry.method::<Delete, _>(|context, call, params| async move {
        delete(&context, &call, params).await
    });
}

async fn create(context: &Context, call: &Call, params: CreateParams) -> Result<User, RpcError> {
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    if let Some(before) = Once::before(once.as_ref()) {
        return Ok(context.view(call)?.user(before)?);
    }
    context.several_people()?;
    let unix = match params.uid {
        Some(uid) => Some(unix_user(&uid.to_string()).await.map_err(|error| error.at("uid"))?),
        None => None,
    };
    let ids = (
        UserId::from_bytes(context.system.new_id()),
        AccountId::from_bytes(context.system.new_id()),
    );
    let new = NewUser {
        ids,
        name: params.name,
        email: params.email,
        role: params.role.unwrap_or(Role::User),
        unix,
    };
    let (caller, key) = (call.caller()?.clone(), Once::key(once.as_ref()));
    let made = context.store.write_as(context.origin(call)?, move |tx| {
        let made = people::create(tx, &caller, new)?;
        Key::remember(key.as_ref(), tx, made.id)?;
        Ok::<_, people::Error>(made)
    });
    Ok(made.await?)
}

async fn update(context: &Context, call: &Call, params: UpdateParams) -> Result<User, RpcError> {
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    if let Some(before) = Once::before(once.as_ref()) {
        return Ok(context.view(call)?.user(before)?);
    }
    let (caller, key) = (call.caller()?.clone(), Once::key(once.as_ref()));
    let made = context.store.write_as(context.origin(call)?, move |tx| {
        let made = people::update(tx, &caller, params.id, &params.patch, params.if_revision)?;
        Key::remember(key.as_ref(), tx, made.id)?;
        Ok::<_, people::Error>(made)
    });
    Ok(made.await?)
}

async fn delete(context: &Context, call: &Call, params: DeleteParams) -> Result<Deleted, RpcError> {
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    if let Some(before) = Once::before::<UserId>(once.as_ref()) {
        return Ok(Deleted::of(before));
    }
    let (caller, key) = (call.caller()?.clone(), Once::key(once.as_ref()));
    let id = params.id;
    let done = context.store.write_as(context.origin(call)?, move |tx| {
        people::delete(tx, &caller, id, params.if_revision)?;
        Key::remember(key.as_ref(), tx, id)?;
        Ok::<_, people::Error>(())
    });
    done.await?;
    Ok(Deleted::of(id))
}

/// What the store's index does not decide.
fn fits(one: &User, filter: &Filter) -> bool {
    let email = one.email.as_deref().unwrap_or_default();
    filter.role.as_ref().is_none_or(|wanted| wanted.holds(&one.role))
        && filter.status.as_ref().is_none_or(|wanted| wanted.holds(&one.status))
        && filter.name.as_ref().is_none_or(|wanted| wanted.holds_text(&one.name))
        && filter.email.as_ref().is_none_or(|wanted| wanted.holds_text(email))
}
