//! `appSetting.*`: every tunable, its value and where that comes from.

use a2n_proto::api::Page;
use a2n_proto::api::app_setting::{Filter, Get, List, Reset, Set};
use a2n_proto::identity::Role;
use a2n_proto::system::AppSetting;
use a2n_proto::{ErrorKind, Json, RpcError};

use super::super::once::{Key, Once};
use super::super::{Call, Context, Registry};
use crate::access::record;
use crate::operations::settings::{Fault, Settings};
use crate::store::{self, app_setting};

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, call, params| async move {
        let all = rows(&context)?;
        let reaches_all = context.needs(&call, Role::Admin).is_ok();
        let mut fitting: Vec<AppSetting> = all
            .into_iter()
            .filter(|row| (row.is_public || reaches_all) && fits(row, &params.filter))
            .collect();
        let from = match &params.cursor {
            None => 0,
            Some(cursor) => fitting.iter().position(|row| row.key == *cursor).ok_or_else(|| {
                RpcError::new(ErrorKind::Invalid, "the cursor is not one of this list").at("cursor")
            })?,
        };
        let to =
            from.saturating_add(params.limit.map_or(1_000, |_| params.limit())).min(fitting.len());
        let next_cursor = fitting.get(to).map(|row| row.key.clone());
        Ok(Page { items: fitting.drain(from..to).collect(), next_cursor })
    });
    registry.method::<Get, _>(|context, _, params| async move {
        let key = match (&params.key, params.id) {
            (Some(key), None) => key.clone(),
            (None, Some(id)) => Settings::key_of(id).map(str::to_owned).unwrap_or_default(),
            _ => return Err(RpcError::new(ErrorKind::Params, "give either key or id").at("key")),
        };
        row(&context, &key)
    });
    registry.method::<Set, _>(|context, call, params| async move {
        let once = Once::of(&context, &call, params.idempotency_key.as_deref(), &params).await?;
        change(&context, &call, &params.key, Some(&params.value), params.if_revision, once.as_ref())
            .await
    });
    registry.method::<Reset, _>(|context, call, params| async move {
        let once = Once::of(&context, &call, params.idempotency_key.as_deref(), &params).await?;
        change(&context, &call, &params.key, None, params.if_revision, once.as_ref()).await
    });
}

async fn change(
    context: &Context,
    call: &Call,
    key: &str,
    value: Option<&Json>,
    if_revision: Option<u64>,
    once: Option<&Once>,
) -> Result<AppSetting, RpcError> {
    if let Some(before) = Once::before::<String>(once) {
        return row(context, &before);
    }
    let old = stored(context, key)?;
    let shown = context.settings.row(key, old.clone()).map_err(refused)?;
    if let Some(given) = if_revision
        && given != shown.revision
    {
        return Err(store::Error::Stale {
            entity: "appSetting",
            id: key.to_owned(),
            given,
            current: shown.revision,
        }
        .into());
    }
    let origin = context.origin(call)?;
    let user = call.caller()?.user;
    let new = match value {
        Some(value) => context.settings.set_row(key, value, old, origin.at, Some(user)),
        None => context.settings.reset_row(key, old, origin.at, Some(user)),
    }
    .map_err(refused)?;
    let (kept, once) = (new.clone(), Once::key(once));
    let action = if value.is_some() { "appSetting.set" } else { "appSetting.reset" };
    context
        .store
        .write(origin, move |tx| {
            app_setting::put(tx, &kept)?;
            record::changed(tx, action, Some(&shown), Some(&kept), None);
            Key::remember(once.as_ref(), tx, &kept.key)
        })
        .await?;
    context.settings.apply_row(&new).map_err(refused)?;
    row(context, key)
}

fn stored(context: &Context, key: &str) -> Result<Option<AppSetting>, RpcError> {
    Ok(app_setting::get(&context.store.read()?, key)?)
}

fn row(context: &Context, key: &str) -> Result<AppSetting, RpcError> {
    context.settings.row(key, stored(context, key)?).map_err(refused)
}

fn rows(context: &Context) -> Result<Vec<AppSetting>, RpcError> {
    let stored = app_setting::list(&context.store.read()?)?;
    Ok(context.settings.rows(|key| stored.iter().find(|row| row.key == key).cloned()))
}

fn refused(fault: Fault) -> RpcError {
    let (kind, path) = match fault {
        Fault::Unknown { .. } => (ErrorKind::NotFound, "key"),
        Fault::Invalid { .. } => (ErrorKind::Invalid, "value"),
    };
    let error = RpcError::new(kind, fault.to_string()).at(path);
    RpcError { hint: fault.hint(), ..error }
}

fn fits(row: &AppSetting, filter: &Filter) -> bool {
    let words = filter.text.as_deref().unwrap_or_default().to_lowercase();
    let text = format!("{} {}", row.key, row.description).to_lowercase();
    filter.key.as_ref().is_none_or(|wanted| wanted.holds_text(&row.key))
        && filter.category.as_ref().is_none_or(|wanted| wanted.holds_text(&row.category))
        && filter.source.as_ref().is_none_or(|wanted| wanted.holds(&row.source))
        && words.split_whitespace().all(|word| text.contains(word))
}
