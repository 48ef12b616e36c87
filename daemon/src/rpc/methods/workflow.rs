//! `workflow.*`: saved graphs, their drafts and what is done with them.

use a2n_proto::api::workflow::{
    Apply, ApplyAnswer, Archive, ChangeOne, Create, Delete, Diff, Duplicate, DuplicateParams,
    Export, Filter, Get, Layout, LayoutAnswer, List, Plan, Problems, Publish, Rollback, Run,
    TestNode, Unpublish, Update, Validate,
};
use a2n_proto::api::{Deleted, Match, Which};
use a2n_proto::workflow::{SharePermission, Workflow};
use a2n_proto::{ErrorKind, Json, RpcError, UserId, WorkflowId};
use serde::Serialize;
use serde_json::json;

use super::super::context::{only, page, paging};
use super::super::once::{Key, Once};
use super::super::{Call, Context, Registry};
use crate::store::{Origin, Tx, workflow};
use crate::workflows::apply::Apply as Wish;
use crate::workflows::{self, Edit, NewWorkflow, layout};

mod documents;
mod rehearsal;
mod run;

pub(super) use run::{check_inputs, check_size, metadata};

pub(super) fn register(registry: &mut Registry<Context>) {
    reading(registry);
    saving(registry);
    publishing(registry);
    registry.method::<Run, _>(|context, call, params| async move {
        run::run(&context, &call, params).await
    });
}

fn reading(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        let fits = |one: &Workflow| fits(one, &params.filter);
        Ok(page(view.workflows(&query(&params.filter), &paging(&params), &fits)?))
    });
    registry.method::<Get, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        context.workflow(&view, params.which()?, SharePermission::View)
    });
    registry.method::<Validate, _>(|context, call, params| async move {
        let user = call.caller()?.user;
        Ok(Problems { problems: context.workflows.validate(&params.definition, user)? })
    });
    registry.method::<Plan, _>(|context, call, params| async move {
        let plan = move || rehearsal::plan(&context, &call, &params);
        tokio::task::spawn_blocking(plan).await.map_err(|_| super::panicked("the plan"))?
    });
    registry.method::<TestNode, _>(|context, call, params| async move {
        rehearsal::test_node(&context, &call, params).await
    });
    registry.method::<Diff, _>(|context, call, params| async move {
        documents::difference(&context, &call, &params)
    });
    registry.method::<Export, _>(|context, call, params| async move {
        documents::export(&context, &call, &params)
    });
    registry.method::<Layout, _>(|_, _, params| async move {
        let mut document = documents::read(&params.definition)?;
        if params.all == Some(true) {
            document.nodes.iter_mut().for_each(|node| node.position = None);
        }
        layout::fill_in(&mut document);
        Ok(LayoutAnswer { definition: Json::of(&document) })
    });
}

fn saving(registry: &mut Registry<Context>) {
    registry.method::<Create, _>(|context, call, params| async move {
        let once = Once::of(&context, &call, params.idempotency_key.as_deref(), &params).await?;
        if let Some(before) = answered(&context, &call, once.as_ref())? {
            return Ok(before);
        }
        let new = NewWorkflow {
            definition: params.definition,
            user: call.caller()?.user,
            publish: params.publish.unwrap_or(false),
            is_active: params.is_active.unwrap_or(true),
            is_template: params.is_template.unwrap_or(false),
            change_log: params.change_log,
        };
        let origin = context.origin(&call)?;
        let made = context.workflows.create(new, origin, remember(once.as_ref())).await?;
        shown(&context, &call, made.id)
    });
    registry.method::<Update, _>(|context, call, params| async move {
        let key = params.idempotency_key.as_deref();
        let begun =
            begin(&context, &call, params.which()?, SharePermission::Edit, key, &params).await?;
        let begun = match begun {
            Ok(begun) => begun,
            Err(before) => return Ok(*before),
        };
        let edit = Edit {
            id: begun.id,
            patch: params.patch,
            if_revision: params.if_revision,
            publish: params.publish.unwrap_or(false),
            change_log: params.change_log,
            user: begun.user,
        };
        context.workflows.update(edit, begun.origin, begun.within).await?;
        shown(&context, &call, begun.id)
    });
    registry.method::<Duplicate, _>(|context, call, params| async move {
        duplicate(&context, &call, params).await
    });
    registry.method::<Delete, _>(|context, call, params| async move {
        let once = Once::of(&context, &call, params.idempotency_key.as_deref(), &params).await?;
        if let Some(before) = Once::before::<String>(once.as_ref()) {
            return Ok(Deleted::of(before));
        }
        let view = context.view(&call)?;
        let id = context.workflow(&view, params.which()?, SharePermission::Admin)?.id;
        let origin = context.origin(&call)?;
        let force = params.force.unwrap_or(false);
        context
            .workflows
            .delete(id, params.if_revision, force, origin, Box::new(remember(once.as_ref())))
            .await?;
        Ok(Deleted::of(id))
    });
    registry.method::<Apply, _>(|context, call, params| async move {
        if params.prune == Some(true) {
            return Err(RpcError::new(ErrorKind::Unsupported, "prune is not in this version")
                .at("prune")
                .hint("delete what should go with `workflow.delete`"));
        }
        let once = Once::of(&context, &call, params.idempotency_key.as_deref(), &params).await?;
        // Applying again is the same by its nature; the key only guards other params.
        let is_again = Once::before::<String>(once.as_ref()).is_some();
        let key = Once::key(once.as_ref()).filter(|_| !is_again);
        let wish = Wish {
            documents: params.documents,
            dry_run: params.dry_run.unwrap_or(false),
            draft: params.draft.unwrap_or(false),
            change_log: params.change_log,
            user: call.caller()?.user,
        };
        let origin = context.origin(&call)?;
        let results = context
            .workflows
            .apply(wish, origin, move |tx| Ok(Key::remember(key.as_ref(), tx, "applied")?))
            .await?;
        Ok(ApplyAnswer { results })
    });
}

fn publishing(registry: &mut Registry<Context>) {
    registry.method::<Publish, _>(|context, call, params| async move {
        let key = params.idempotency_key.as_deref();
        let begun =
            begin(&context, &call, params.which()?, SharePermission::Edit, key, &params).await?;
        let begun = match begun {
            Ok(begun) => begun,
            Err(before) => return Ok(*before),
        };
        let (version, revision) = (params.version, params.if_revision);
        context.workflows.publish(begun.id, version, revision, begun.origin, begun.within).await?;
        shown(&context, &call, begun.id)
    });
    registry.method::<Unpublish, _>(|context, call, params: ChangeOne| async move {
        let key = params.idempotency_key.as_deref();
        let begun =
            begin(&context, &call, params.which()?, SharePermission::Edit, key, &params).await?;
        let begun = match begun {
            Ok(begun) => begun,
            Err(before) => return Ok(*before),
        };
        context
            .workflows
            .unpublish(begun.id, params.if_revision, begun.origin, begun.within)
            .await?;
        shown(&context, &call, begun.id)
    });
    registry.method::<Rollback, _>(|context, call, params| async move {
        let key = params.idempotency_key.as_deref();
        let begun =
            begin(&context, &call, params.which()?, SharePermission::Edit, key, &params).await?;
        let begun = match begun {
            Ok(begun) => begun,
            Err(before) => return Ok(*before),
        };
        let back = workflows::Rollback {
            id: begun.id,
            version: params.version,
            publish: params.publish.unwrap_or(false),
            if_revision: params.if_revision,
            user: begun.user,
        };
        context.workflows.rollback(back, begun.origin, begun.within).await?;
        shown(&context, &call, begun.id)
    });
    registry.method::<Archive, _>(|context, call, params| async move {
        let key = params.idempotency_key.as_deref();
        let begun =
            begin(&context, &call, params.which()?, SharePermission::Admin, key, &params).await?;
        let begun = match begun {
            Ok(begun) => begun,
            Err(before) => return Ok(*before),
        };
        let archived = params.archived.unwrap_or(true);
        context
            .workflows
            .archive(begun.id, archived, params.if_revision, begun.origin, begun.within)
            .await?;
        shown(&context, &call, begun.id)
    });
}

/// A change of one workflow that may begin.
struct Begun {
    id: WorkflowId,
    user: UserId,
    origin: Origin,
    within: KeyKeeper,
    /// Held until the call is answered.
    _once: Option<Once>,
}

type KeyKeeper = Box<dyn FnOnce(&mut Tx<'_>, WorkflowId) -> Result<(), workflows::Error> + Send>;

/// Checks who changes what; where the same call was answered before, that answer is all.
async fn begin<P: Serialize>(
    context: &Context,
    call: &Call,
    which: Which<WorkflowId>,
    want: SharePermission,
    key: Option<&str>,
    params: &P,
) -> Result<Result<Begun, Box<Workflow>>, RpcError> {
    let once = Once::of(context, call, key, params).await?;
    if let Some(before) = answered(context, call, once.as_ref())? {
        return Ok(Err(Box::new(before)));
    }
    let view = context.view(call)?;
    let id = context.workflow(&view, which, want)?.id;
    let origin = context.origin(call)?;
    let within = Box::new(remember(once.as_ref()));
    Ok(Ok(Begun { id, user: view.caller().user, origin, within, _once: once }))
}

/// The workflow that the same call was answered with before.
fn answered(
    context: &Context,
    call: &Call,
    once: Option<&Once>,
) -> Result<Option<Workflow>, RpcError> {
    let Some(id) = Once::before(once) else { return Ok(None) };
    shown(context, call, id).map(Some)
}

fn shown(context: &Context, call: &Call, id: WorkflowId) -> Result<Workflow, RpcError> {
    Ok(context.view(call)?.workflow(id, SharePermission::View)?)
}

/// What a save writes besides: the caller's key.
fn remember(
    once: Option<&Once>,
) -> impl FnOnce(&mut Tx<'_>, WorkflowId) -> Result<(), workflows::Error> + Send + use<> {
    let key = Once::key(once);
    move |tx, id| Ok(Key::remember(key.as_ref(), tx, id)?)
}

async fn duplicate(
    context: &Context,
    call: &Call,
    params: DuplicateParams,
) -> Result<Workflow, RpcError> {
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    if let Some(before) = answered(context, call, once.as_ref())? {
        return Ok(before);
    }
    let view = context.view(call)?;
    let which = Which::of(params.id, params.name.as_deref())?;
    let old = context.workflow(&view, which, SharePermission::View)?;
    let name = params.new_name.unwrap_or_else(|| format!("{}-copy", old.name));
    let renamed = Json::from(json!({"name": name}));
    let new = NewWorkflow {
        definition: a2n_proto::merge_patch::merge(&old.definition, &renamed),
        user: view.caller().user,
        publish: false,
        is_active: true,
        is_template: false,
        change_log: Some(format!("copy of {} version {}", old.name, old.version)),
    };
    let origin = context.origin(call)?;
    let made = context.workflows.create(new, origin, remember(once.as_ref())).await?;
    shown(context, call, made.id)
}

fn query(filter: &Filter) -> workflow::Query {
    workflow::Query {
        user: only(&filter.user_id),
        name: only(&filter.name),
        text: match (&filter.text, &filter.name) {
            (Some(words), Some(Match::Text(more))) => Some(format!("{words} {more}")),
            (None, Some(Match::Text(words))) | (Some(words), _) => Some(words.clone()),
            (None, _) => None,
        },
        tag: only(&filter.tag),
        category: only(&filter.category),
        visibility: only(&filter.visibility),
        is_active: only(&filter.is_active),
        archived: filter.archived == Some(true),
    }
}

/// What the store's index does not decide.
fn fits(one: &Workflow, filter: &Filter) -> bool {
    filter.id.as_ref().is_none_or(|wanted| wanted.holds(&one.id))
        && filter.name.as_ref().is_none_or(|wanted| match wanted {
            // The store looked for the words, in the description too.
            Match::Text(_) => true,
            Match::Is(_) | Match::In(_) | Match::Range { .. } => wanted.holds_text(&one.name),
        })
        && filter.user_id.as_ref().is_none_or(|wanted| wanted.holds(&one.user_id))
        && filter.is_active.as_ref().is_none_or(|wanted| wanted.holds(&one.is_active))
        && filter.is_template.as_ref().is_none_or(|wanted| wanted.holds(&one.is_template))
        && filter.archived.is_none_or(|wanted| one.archived_at.is_some() == wanted)
        && filter
            .tag
            .as_ref()
            .is_none_or(|wanted| one.tags.iter().any(|tag| wanted.holds_text(tag)))
        && filter
            .category
            .as_ref()
            .is_none_or(|wanted| one.category.as_deref().is_some_and(|c| wanted.holds_text(c)))
        && filter.visibility.as_ref().is_none_or(|wanted| match wanted {
            Match::Is(value) => one.visibility == *value,
            Match::In(all) => all.contains(&one.visibility),
            Match::Range { .. } | Match::Text(_) => false,
        })
}
