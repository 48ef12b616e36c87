//! `workflow.*`: saved graphs, their drafts and what is done with them.

use a2n_proto::api::workflow::{
    Apply, ApplyAnswer, Archive, ChangeOne, Create, Delete, Diff, DiffAnswer, DiffParams,
    Duplicate, DuplicateParams, Export, ExportAnswer, ExportParams, Filter, Format, Get, Layout,
    LayoutAnswer, List, Problems, Publish, Rollback, Run, RunParams, Unpublish, Update, Validate,
};
use a2n_proto::api::{Deleted, Match, Page, Which};
use a2n_proto::document::Document;
use a2n_proto::execution::{Execution, ExecutionMetadata};
use a2n_proto::workflow::{SharePermission, TriggerType, Workflow};
use a2n_proto::{ErrorKind, Json, RpcError, UserId, WorkflowId};
use serde::Serialize;
use serde_json::json;
use tokio::sync::oneshot;

use super::super::context::{Once, only, page, paging};
use super::super::{Call, Context, Registry};
use crate::engine::driving::handle::{Accepted, Admission, Within};
use crate::engine::driving::start::{Version, Wanted};
use crate::operations::settings::table::ENGINE_INPUT;
use crate::store::{Origin, Tx, View, workflow, workflow_trigger};
use crate::triggers::manual::Manual;
use crate::workflows::apply::Apply as Wish;
use crate::workflows::{self, Edit, NewWorkflow, diff, layout};

pub(super) fn register(registry: &mut Registry<Context>) {
    reading(registry);
    saving(registry);
    publishing(registry);
    registry.method::<Run, _>(
        |context, call, params| async move { run(&context, &call, params).await },
    );
}

fn reading(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        let mut found: Page<Workflow> =
            page(view.workflows(&query(&params.filter), &paging(&params))?);
        found.items.retain(|one| fits(one, &params.filter));
        Ok(found)
    });
    registry.method::<Get, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        context.workflow(&view, params.which()?, SharePermission::View)
    });
    registry.method::<Validate, _>(|context, _, params| async move {
        Ok(Problems { problems: context.workflows.validate(&params.definition) })
    });
    registry.method::<Diff, _>(|context, call, params| async move {
        difference(&context, &call, &params)
    });
    registry.method::<Export, _>(|context, call, params| async move {
        export(&context, &call, &params)
    });
    registry.method::<Layout, _>(|_, _, params| async move {
        let mut document = Document::read(&params.definition).map_err(|error| {
            RpcError::new(ErrorKind::Invalid, format!("not a workflow document: {error}"))
                .at("definition")
                .hint("`workflow.validate` says everything that is wrong")
        })?;
        if params.all == Some(true) {
            document.nodes.iter_mut().for_each(|node| node.position = None);
        }
        layout::fill_in(&mut document);
        Ok(LayoutAnswer { definition: Json::of(&document) })
    });
}

fn saving(registry: &mut Registry<Context>) {
    registry.method::<Create, _>(|context, call, params| async move {
        let once = Once::of(&call, params.idempotency_key.as_deref(), &params)?;
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
        let made = context.workflows.create(new, origin, remember(once)).await?;
        shown(&context, &call, made.id)
    });
    registry.method::<Update, _>(|context, call, params| async move {
        let key = params.idempotency_key.as_deref();
        let begun = begin(&context, &call, params.which()?, SharePermission::Edit, key, &params)?;
        let Begun { id, user, origin, within } = match begun {
            Ok(begun) => begun,
            Err(before) => return Ok(*before),
        };
        let edit = Edit {
            id,
            patch: params.patch,
            if_revision: params.if_revision,
            publish: params.publish.unwrap_or(false),
            change_log: params.change_log,
            user,
        };
        context.workflows.update(edit, origin, within).await?;
        shown(&context, &call, id)
    });
    registry.method::<Duplicate, _>(|context, call, params| async move {
        duplicate(&context, &call, params).await
    });
    registry.method::<Delete, _>(|context, call, params| async move {
        let once = Once::of(&call, params.idempotency_key.as_deref(), &params)?;
        if let Some(once) = &once
            && let Some(id) = once.before(&context)?
        {
            return Ok(Deleted::of(id));
        }
        let view = context.view(&call)?;
        let id = context.workflow(&view, params.which()?, SharePermission::Admin)?.id;
        let origin = context.origin(&call)?;
        let force = params.force.unwrap_or(false);
        context
            .workflows
            .delete(id, params.if_revision, force, origin, Box::new(remember(once)))
            .await?;
        Ok(Deleted::of(id))
    });
    registry.method::<Apply, _>(|context, call, params| async move {
        if params.prune == Some(true) {
            return Err(RpcError::new(ErrorKind::Unsupported, "prune is not in this version")
                .at("prune")
                .hint("delete what should go with `workflow.delete`"));
        }
        let once = Once::of(&call, params.idempotency_key.as_deref(), &params)?;
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
            .apply(wish, origin, move |tx| match once {
                // Applying again is the same by its nature; the key only guards other params.
                Some(once) => match once.before_in(tx)? {
                    Some(_) => Ok(()),
                    None => Ok(once.remember(tx, "applied")?),
                },
                None => Ok(()),
            })
            .await?;
        Ok(ApplyAnswer { results })
    });
}

fn publishing(registry: &mut Registry<Context>) {
    registry.method::<Publish, _>(|context, call, params| async move {
        let key = params.idempotency_key.as_deref();
        let begun = begin(&context, &call, params.which()?, SharePermission::Edit, key, &params)?;
        let Begun { id, origin, within, .. } = match begun {
            Ok(begun) => begun,
            Err(before) => return Ok(*before),
        };
        let (version, revision) = (params.version, params.if_revision);
        context.workflows.publish(id, version, revision, origin, within).await?;
        shown(&context, &call, id)
    });
    registry.method::<Unpublish, _>(|context, call, params: ChangeOne| async move {
        let key = params.idempotency_key.as_deref();
        let begun = begin(&context, &call, params.which()?, SharePermission::Edit, key, &params)?;
        let Begun { id, origin, within, .. } = match begun {
            Ok(begun) => begun,
            Err(before) => return Ok(*before),
        };
        context.workflows.unpublish(id, params.if_revision, origin, within).await?;
        shown(&context, &call, id)
    });
    registry.method::<Rollback, _>(|context, call, params| async move {
        let key = params.idempotency_key.as_deref();
        let begun = begin(&context, &call, params.which()?, SharePermission::Edit, key, &params)?;
        let Begun { id, user, origin, within } = match begun {
            Ok(begun) => begun,
            Err(before) => return Ok(*before),
        };
        let back = workflows::Rollback {
            id,
            version: params.version,
            publish: params.publish.unwrap_or(false),
            if_revision: params.if_revision,
            user,
        };
        context.workflows.rollback(back, origin, within).await?;
        shown(&context, &call, id)
    });
    registry.method::<Archive, _>(|context, call, params| async move {
        let key = params.idempotency_key.as_deref();
        let begun = begin(&context, &call, params.which()?, SharePermission::Admin, key, &params)?;
        let Begun { id, origin, within, .. } = match begun {
            Ok(begun) => begun,
            Err(before) => return Ok(*before),
        };
        let archived = params.archived.unwrap_or(true);
        context.workflows.archive(id, archived, params.if_revision, origin, within).await?;
        shown(&context, &call, id)
    });
}

/// A change of one workflow that may begin.
struct Begun {
    id: WorkflowId,
    user: UserId,
    origin: Origin,
    within: KeyKeeper,
}

type KeyKeeper = Box<dyn FnOnce(&mut Tx<'_>, WorkflowId) -> Result<(), workflows::Error> + Send>;

/// Checks who changes what; where the same call was answered before, that answer is all.
fn begin<P: Serialize>(
    context: &Context,
    call: &Call,
    which: Which<WorkflowId>,
    want: SharePermission,
    key: Option<&str>,
    params: &P,
) -> Result<Result<Begun, Box<Workflow>>, RpcError> {
    let once = Once::of(call, key, params)?;
    if let Some(before) = answered(context, call, once.as_ref())? {
        return Ok(Err(Box::new(before)));
    }
    let view = context.view(call)?;
    let id = context.workflow(&view, which, want)?.id;
    let origin = context.origin(call)?;
    Ok(Ok(Begun { id, user: view.caller().user, origin, within: Box::new(remember(once)) }))
}

/// The workflow that the same call was answered with before.
fn answered(
    context: &Context,
    call: &Call,
    once: Option<&Once>,
) -> Result<Option<Workflow>, RpcError> {
    let Some(once) = once else { return Ok(None) };
    let Some(id) = once.before(context)?.and_then(|id| id.parse().ok()) else { return Ok(None) };
    shown(context, call, id).map(Some)
}

fn shown(context: &Context, call: &Call, id: WorkflowId) -> Result<Workflow, RpcError> {
    Ok(context.view(call)?.workflow(id, SharePermission::View)?)
}

/// What a save writes besides: the caller's key.
fn remember(
    once: Option<Once>,
) -> impl FnOnce(&mut Tx<'_>, WorkflowId) -> Result<(), workflows::Error> + Send + 'static {
    move |tx, id| match once {
        Some(once) => Ok(once.remember(tx, id)?),
        None => Ok(()),
    }
}

async fn duplicate(
    context: &Context,
    call: &Call,
    params: DuplicateParams,
) -> Result<Workflow, RpcError> {
    let once = Once::of(call, params.idempotency_key.as_deref(), &params)?;
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
    let made = context.workflows.create(new, origin, remember(once)).await?;
    shown(context, call, made.id)
}

async fn run(context: &Context, call: &Call, params: RunParams) -> Result<Execution, RpcError> {
    if params.delay.is_some() || params.at.is_some() {
        let path = if params.at.is_some() { "at" } else { "delay" };
        return Err(RpcError::new(ErrorKind::Unsupported, "planned runs are not in this version")
            .at(path)
            .hint("use a SCHEDULE trigger with `at`"));
    }
    let once = Once::of(call, params.idempotency_key.as_deref(), &params)?;
    let view = context.view(call)?;
    let which = Which::of(params.id, params.name.as_deref())?;
    let found = context.workflow_head(&view, which, SharePermission::Execute)?;
    let inputs = params.inputs.clone().unwrap_or_else(Json::object);
    check_inputs(context, &inputs)?;
    let trigger = match &params.trigger {
        None => None,
        Some(name) => Some(manual(context, &found, name, &inputs)?),
    };
    let caller = view.caller();
    let user = caller.user;
    let (waiter, ended) = oneshot::channel();
    let wait = params.wait == Some(true);
    let wanted = Wanted {
        waiter: wait.then_some(waiter),
        version: if params.draft == Some(true) { Version::Draft } else { Version::Published },
        workflow: found,
        payload: inputs.clone(),
        inputs,
        trigger_data: Json::null(),
        trigger,
        priority: params.priority.unwrap_or(0),
        user,
        metadata: ExecutionMetadata {
            source: Some(source(call, trigger.is_some()).into()),
            user_agent: call.user_agent.as_deref().map(str::to_owned),
            ip_address: Some(match call.peer.pid {
                Some(pid) => format!("uid={} pid={pid}", call.peer.uid),
                None => format!("uid={}", call.peer.uid),
            }),
            correlation_id: params.correlation_id.clone(),
            environment: None,
            idempotency_key: params.idempotency_key.clone(),
        },
    };
    let (workflow_id, workflow_name) = (wanted.workflow.id, wanted.workflow.name.clone());
    let origin = context.origin(call)?;
    let started = context
        .starter
        .start(wanted, origin, move |id| {
            let within: Within = Box::new(move |tx| {
                if let Admission::Already(before) = Once::admit(once.as_ref(), tx, id)? {
                    return Ok(Admission::Already(before));
                }
                if let Some(trigger) = trigger {
                    workflow_trigger::count(tx, trigger)?;
                }
                let new = Json::from(json!({"workflowId": workflow_id, "workflow": workflow_name}));
                tx.audit("workflow.run", "execution", id, Json::null(), new);
                Ok(Admission::New)
            });
            Some(within)
        })
        .await?;
    match started {
        Accepted::New(execution) if wait => {
            let ended = async { ended.await.ok() };
            super::execution::until_ended(context, call, &view, execution.id, None, ended).await
        }
        Accepted::New(execution) => Ok(*execution),
        Accepted::Already(id) if wait => super::execution::wait(context, call, id, None).await,
        Accepted::Already(id) => Ok(view.execution(id, SharePermission::View)?),
    }
}

/// Where a start comes from, for people: our own command says who it is.
fn source(call: &Call, by_trigger: bool) -> &'static str {
    match call.user_agent.as_deref() {
        _ if by_trigger => "MANUAL",
        Some(agent) if agent.starts_with("a2n/") => "CLI",
        _ => "API",
    }
}

pub(super) fn check_inputs(context: &Context, inputs: &Json) -> Result<(), RpcError> {
    let limit = context.settings.get(&ENGINE_INPUT);
    if inputs.size_bytes() > limit {
        let message = format!("the inputs have {} bytes; {limit} are allowed", inputs.size_bytes());
        return Err(RpcError::new(ErrorKind::TooLarge, message)
            .at("inputs")
            .hint("pass a path or an address instead, or raise engine.maxInputBytes"));
    }
    if !inputs.as_str().starts_with('{') {
        return Err(RpcError::new(ErrorKind::Invalid, "inputs have to be one object")
            .at("inputs")
            .hint("for example {\"who\": \"world\"}"));
    }
    Ok(())
}

/// The MANUAL trigger of that name, whose parameters the inputs fit.
fn manual(
    context: &Context,
    workflow: &Workflow,
    name: &str,
    inputs: &Json,
) -> Result<a2n_proto::WorkflowTriggerId, RpcError> {
    let snapshot = context.store.read()?;
    let found = workflow_trigger::find_by_name(&snapshot, workflow.id, name)?;
    let trigger = found.filter(|t| t.kind == TriggerType::Manual).ok_or_else(|| {
        RpcError::new(
            ErrorKind::NotFound,
            format!("`{}` has no MANUAL trigger `{name}`", workflow.name),
        )
        .at("trigger")
        .hint("`a2n trigger ls` lists them")
    })?;
    if !trigger.is_active {
        return Err(RpcError::new(ErrorKind::Precondition, format!("trigger `{name}` is off"))
            .at("trigger")
            .hint(format!("`a2n trigger enable {} {name}`", workflow.name)));
    }
    let problems = match Manual::parse(&trigger.configuration.to_value()) {
        Ok(manual) => manual.check(&inputs.to_value()),
        Err(problems) => problems,
    };
    match problems.first() {
        None => Ok(trigger.id),
        Some(first) => {
            let mut error = RpcError::new(ErrorKind::Invalid, first.message.clone());
            error.path = Some(first.path.clone());
            error.hint = first.hint.clone();
            Err(RpcError { problems, ..error })
        }
    }
}

fn difference(context: &Context, call: &Call, params: &DiffParams) -> Result<DiffAnswer, RpcError> {
    let view = context.view(call)?;
    let which = Which::of(params.id, params.name.as_deref())?;
    let found = context.workflow(&view, which, SharePermission::View)?;
    let from = params.from.or(found.published_version).unwrap_or(1);
    let old = document(&view, found.id, from)?;
    let (to, new) = match &params.definition {
        Some(definition) => (None, read(definition)?),
        None => {
            let to = params.to.unwrap_or(found.version);
            (Some(to), document(&view, found.id, to)?)
        }
    };
    let changes = diff::diff(&old, &new);
    Ok(DiffAnswer { from, to, same: changes.is_empty(), changes })
}

fn document(view: &View, id: WorkflowId, version: u32) -> Result<Document, RpcError> {
    read(&view.version_of(id, version)?.definition)
}

fn read(definition: &Json) -> Result<Document, RpcError> {
    Document::read(definition).map_err(|error| {
        RpcError::new(ErrorKind::Invalid, format!("not a workflow document: {error}"))
            .at("definition")
            .hint("`workflow.validate` says everything that is wrong")
    })
}

fn export(context: &Context, call: &Call, params: &ExportParams) -> Result<ExportAnswer, RpcError> {
    let view = context.view(call)?;
    let which = Which::of(params.id, params.name.as_deref())?;
    let found = context.workflow(&view, which, SharePermission::View)?;
    let definition = match params.version {
        None => found.definition,
        Some(version) => view.version_of(found.id, version)?.definition,
    };
    let format = params.format.unwrap_or(Format::Yaml);
    let text = match format {
        Format::Json => serde_json::to_string_pretty(&definition.to_value())
            .map_err(|error| RpcError::new(ErrorKind::Internal, error.to_string()))?,
        Format::Yaml => serde_saphyr::to_string(&definition.to_value())
            .map_err(|error| RpcError::new(ErrorKind::Internal, error.to_string()))?,
    };
    Ok(ExportAnswer { format, text })
}

fn query(filter: &Filter) -> workflow::Query {
    workflow::Query {
        user: only(&filter.user_id),
        name: only(&filter.name),
        text: filter.text.clone().or_else(|| match &filter.name {
            Some(Match::Text(words)) => Some(words.clone()),
            _ => None,
        }),
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
        && filter.name.as_ref().is_none_or(|wanted| wanted.holds_text(&one.name))
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
