//! `event.*`: the inbox of things that happened.

use a2n_proto::api::event::{Emit, EmitParams, Filter, Get, List};
use a2n_proto::event::Event;
use a2n_proto::{ErrorKind, Json, RpcError};

use super::super::context::{only, page, paging};
use super::super::once::{Key, Once};
use super::super::{Call, Context, Registry};
use crate::operations::settings::table::ENGINE_INPUT;

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<Emit, _>(|context, call, params| async move {
        emit(&context, &call, params).await
    });
    registry.method::<List, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        let event_type = only(&params.filter.event_type);
        let fits = |one: &Event| fits(one, &params.filter);
        Ok(page(view.events(event_type.as_deref(), &paging(&params), &fits)?))
    });
    registry.method::<Get, _>(|context, call, params| async move {
        Ok(context.view(&call)?.event(params.seq)?)
    });
}

async fn emit(context: &Context, call: &Call, params: EmitParams) -> Result<Event, RpcError> {
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    if let Some(before) = Once::before::<u64>(once.as_ref()) {
        return Ok(context.view(call)?.event(before)?);
    }
    let caller = call.caller()?;
    let what = checked(context, params, &caller.name)?;
    let what = Event { user_id: caller.user, ..what };
    let (origin, key) = (context.origin(call)?, Once::key(once.as_ref()));
    let told = context.inbox.emit(origin, what, move |tx, made| {
        tx.room()?;
        let new = Json::from(serde_json::json!({
            "eventType": made.event_type, "source": made.source, "dataBytes": made.data_bytes,
            "shared": made.shared,
        }));
        tx.audit("event.emit", "event", made.seq, Json::null(), new);
        Key::remember(key.as_ref(), tx, made.seq)
    });
    Ok(told.await?)
}

/// The event as it is stored, without what only the store knows.
fn checked(context: &Context, params: EmitParams, caller: &str) -> Result<Event, RpcError> {
    let wrong = |path: &str, message: String, hint: &str| {
        RpcError::new(ErrorKind::Invalid, message).at(path).hint(hint)
    };
    Event::check_type(&params.event_type)
        .map_err(|(message, hint)| wrong("eventType", message, hint))?;
    let source = params.source.unwrap_or_else(|| caller.to_owned());
    if !Event::is_source(&source) {
        let message = format!("a source has 1 to {} characters that can be shown", Event::MAX_NAME);
        return Err(wrong("source", message, "say where it happened, for example `nas`"));
    }
    let data = params.data.filter(|data| !data.is_null()).unwrap_or_else(Json::object);
    let (size, most) = (data.size_bytes(), context.settings.get(&ENGINE_INPUT));
    if size > most {
        let message = format!("the data has {size} bytes; an event may have {most}");
        return Err(RpcError::new(ErrorKind::TooLarge, message)
            .at("data")
            .hint("put it into a file, or raise `engine.maxInputBytes`"));
    }
    Ok(Event {
        seq: 0,
        at: context.now(),
        source,
        event_type: params.event_type,
        data,
        data_bytes: 0,
        shared: params.shared.unwrap_or(false),
        user_id: a2n_proto::UserId::from_bytes([0; 16]),
        execution_id: None,
        depth: 0,
    })
}

/// What the store's index does not decide.
fn fits(one: &Event, filter: &Filter) -> bool {
    filter.event_type.as_ref().is_none_or(|wanted| wanted.holds_text(&one.event_type))
        && filter.source.as_ref().is_none_or(|wanted| wanted.holds_text(&one.source))
        && filter.at.as_ref().is_none_or(|wanted| wanted.holds(&one.at))
        && filter.user_id.as_ref().is_none_or(|wanted| wanted.holds(&one.user_id))
}
