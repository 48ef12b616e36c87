//! `execution.approve` and `execution.approvals`: people decide, and see what waits for them.

use a2n_proto::api::execution::{
    ApprovalFilter, ApprovalVote, Approvals, Approve, ApproveParams, OpenApproval,
};
use a2n_proto::api::{List, Match};
use a2n_proto::execution::Execution;
use a2n_proto::workflow::SharePermission;
use a2n_proto::{ErrorKind, ExecutionId, Json, Problem, RpcError, Severity};
use serde_json::json;

use super::super::super::context::{only, page, paging};
use super::super::super::once::{Key, Once};
use super::super::super::{Call, Context, Registry};
use crate::engine::approval::{ApprovalRequest, Ballot, Refusal, Voter};
use crate::engine::driving::handle::{Admission, Error as EngineError};
use crate::engine::driving::packed;
use crate::engine::execution::{NodeKey, NodeState, Phase, State, UnitKey};
use crate::engine::input::Input;
use crate::engine::request::Request;
use crate::store::{self, View, account, execution, execution_approval, user};
use crate::system::host;

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<Approve, _>(|context, call, params| async move {
        approve(&context, &call, params).await
    });
    registry.method::<Approvals, _>(|context, call, params| async move {
        let who = Who::of(&context, &call).await?;
        let view = context.view(&call)?;
        tokio::task::spawn_blocking(move || list(&context, &view, &who, &params))
            .await
            .map_err(|_| super::super::panicked("the approvals"))?
    });
}

/// The caller as one who decides, apart from what depends on the execution.
struct Who {
    voter: Voter,
}

impl Who {
    async fn of(context: &Context, call: &Call) -> Result<Self, RpcError> {
        let caller = call.caller()?;
        let read = context.store.read()?;
        let user = user::require(&read, caller.user)?;
        let logins =
            account::list(&read, caller.user)?.into_iter().filter_map(|one| one.login_name);
        let also = user.email.into_iter().chain(logins).collect();
        let uid = call.peer.uid;
        // The user database may be far away.
        let groups = tokio::task::spawn_blocking(move || host::groups_of(uid)).await;
        let voter = Voter {
            user: caller.user,
            name: caller.name.clone(),
            also,
            groups: groups.unwrap_or_default(),
            role: caller.role,
            may_run: false,
            is_starter: false,
        };
        Ok(Self { voter })
    }

    /// The same for one execution.
    fn at(&self, view: &View, id: ExecutionId, state: &State) -> Voter {
        Voter {
            may_run: view.execution_head(id, SharePermission::Execute).is_ok(),
            is_starter: state.start().started_by == Some(self.voter.user),
            ..self.voter.clone()
        }
    }
}

async fn approve(
    context: &Context,
    call: &Call,
    params: ApproveParams,
) -> Result<Execution, RpcError> {
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    let id = params.id;
    let who = Who::of(context, call).await?;
    let view = context.view(call)?;
    let hidden =
        || RpcError::from(store::Error::NotFound { entity: "execution", id: id.to_string() });
    let live = context.engine.snapshot(id).await.ok().flatten();
    let state = match live {
        Some((_, state)) => state,
        None => stored(context, id)?.ok_or_else(hidden)?,
    };
    let voter = who.at(&view, id, &state);
    let sees = view.execution_head(id, SharePermission::View).is_ok();
    if Once::before::<ExecutionId>(once.as_ref()).is_some() {
        let head = execution::head(&context.store.read()?, id)?;
        return head.map(bare).ok_or_else(hidden);
    }
    let ballot = Ballot {
        decision: params.decision,
        comment: params.comment.clone(),
        form: params.form.clone().unwrap_or_else(Json::null),
    };
    let key = NodeKey {
        node: params.node_id.clone(),
        iteration: params.iteration.clone().unwrap_or_default(),
    };
    let open = open(&state, &key, params.item);
    // Whoever is asked may see that; others only what they see anyway.
    if !sees && !open.iter().any(|(_, request)| request.may_decide(&voter).is_ok()) {
        return Err(hidden());
    }
    let verdicts: Vec<Result<(), Refusal>> =
        open.iter().map(|(_, request)| request.check(&voter, &ballot)).collect();
    if !verdicts.iter().any(Result::is_ok) {
        return Err(match verdicts.into_iter().find_map(Result::err) {
            Some(refusal) => refused(&refusal),
            None => nothing_open(&state, &key, params.item),
        });
    }
    let told = told(&params, &ballot);
    let idempotency = Once::key(once.as_ref());
    let input = Input::Vote {
        node: key.node.clone(),
        iteration: key.iteration.clone(),
        item: params.item,
        voter: Box::new(voter),
        ballot,
    };
    let within = Box::new(move |tx: &mut store::Tx<'_>| {
        tx.audit("execution.approve", "execution", id, Json::null(), told);
        Key::remember(idempotency.as_ref(), tx, id)?;
        Ok(Admission::New)
    });
    match context.engine.tell(id, input, context.origin(call)?, within).await {
        Ok(execution) => Ok(if sees { execution } else { bare(execution) }),
        // Somebody else was quicker: what they said is in the state now.
        Err(EngineError::NotLive(_) | EngineError::NoDifference(_) | EngineError::Refused(_)) => {
            let state = match context.engine.snapshot(id).await.ok().flatten() {
                Some((_, state)) => state,
                None => stored(context, id)?.ok_or_else(hidden)?,
            };
            Err(nothing_open(&state, &key, params.item))
        }
        Err(other) => Err(other.into()),
    }
}

/// What the audit trail keeps: who is in its row anyway.
fn told(params: &ApproveParams, ballot: &Ballot) -> Json {
    Json::from(json!({
        "nodeId": params.node_id,
        "iteration": params.iteration,
        "item": params.item,
        "decision": ballot.decision,
        "comment": ballot.comment,
        "form": crate::access::audit::masked(&ballot.form).to_value(),
    }))
}

/// The execution for somebody who may decide in it, but not read its data.
fn bare(execution: Execution) -> Execution {
    Execution {
        trigger_data: Json::null(),
        input_data: Json::null(),
        output_data: Json::null(),
        context_data: Json::null(),
        ..execution
    }
}

fn stored(context: &Context, id: ExecutionId) -> Result<Option<State>, RpcError> {
    let bytes = execution::state(&context.store.read()?, id)?;
    Ok(bytes.and_then(|bytes| packed::unpack(&bytes)))
}

/// The open questions of a node.
fn open<'s>(
    state: &'s State,
    key: &NodeKey,
    item: Option<u32>,
) -> Vec<(UnitKey, &'s ApprovalRequest)> {
    let of_node = state.requests().filter(|(unit, ..)| unit.node == *key);
    of_node
        .filter(|(unit, ..)| item.is_none_or(|item| unit.item == Some(item)))
        .filter_map(|(unit, _, _, request)| match request {
            Request::Approval(request) => Some((unit, &**request)),
            _ => None,
        })
        .collect()
}

fn refused(refusal: &Refusal) -> RpcError {
    let message = refusal.to_string();
    match refusal {
        Refusal::NotYours { .. } => RpcError::new(ErrorKind::Forbidden, message)
            .hint("`a2n approvals` shows what waits for you"),
        Refusal::Own => RpcError::new(ErrorKind::Forbidden, message)
            .hint("`noSelfApproval: false` at the node allows it"),
        Refusal::NoReason => {
            RpcError::new(ErrorKind::Invalid, message).at("comment").hint("say why: -m 'words'")
        }
        Refusal::TooLong { what, .. } => {
            RpcError::new(ErrorKind::TooLarge, message).at(*what).hint("make it shorter")
        }
        Refusal::NoForm => RpcError::new(ErrorKind::Invalid, message)
            .at("form")
            .hint("leave the form out: the node asks for yes or no only"),
        Refusal::Form { faults } => {
            let problems: Vec<Problem> = faults.iter().map(problem).collect();
            let path = faults.first().map_or_else(|| "form".to_owned(), |(path, _)| path.clone());
            let error = RpcError::new(ErrorKind::Invalid, message)
                .at(path)
                .hint("`a2n approvals` shows the form");
            RpcError { problems, ..error }
        }
    }
}

fn problem((path, message): &(String, String)) -> Problem {
    Problem {
        path: path.clone(),
        code: "BAD_INPUT".into(),
        severity: Severity::Error,
        message: message.clone(),
        hint: None,
    }
}

/// Says what became of what is not open any more.
fn nothing_open(state: &State, key: &NodeKey, item: Option<u32>) -> RpcError {
    let node = &key.node;
    let Some(found) = state.node(key) else {
        let message = format!("nothing waits for a decision at node `{node}`");
        return RpcError::new(ErrorKind::Precondition, message)
            .at("nodeId")
            .hint("`a2n approvals` shows what waits");
    };
    let message = match decided(found, item) {
        Some(words) => format!("node `{node}` is decided already: {words}"),
        None => format!("node `{node}` waits for no decision now"),
    };
    RpcError::new(ErrorKind::Precondition, message).hint("`a2n show` tells where it stands")
}

/// Who decided when, as the node's items tell.
fn decided(node: &NodeState, item: Option<u32>) -> Option<String> {
    let units = node.units.iter().zip(0_u32..);
    let of_units = units
        .filter(|(_, index)| item.is_none_or(|item| item == *index))
        .filter_map(|(unit, _)| match &unit.phase {
            Phase::Done { output } => Some(output.values().flatten()),
            _ => None,
        })
        .flatten();
    let of_node = node.output.handles.values().flat_map(|sent| &sent.items);
    let item = of_units.chain(of_node).next()?.to_value();
    let approval = item.get("approval")?;
    let word = approval.get("decision")?.as_str()?.to_lowercase();
    if approval.get("expired")?.as_bool()? {
        return Some(format!("{word}, since nobody decided in time"));
    }
    let last = approval.get("decisions")?.as_array()?.last()?;
    let (by, at) = (last.get("by")?.as_str()?, last.get("at")?.as_str()?);
    Some(format!("{word} by {by} at {at}"))
}

fn list(
    context: &Context,
    view: &View,
    who: &Who,
    params: &List<ApprovalFilter>,
) -> Result<a2n_proto::api::Page<OpenApproval>, RpcError> {
    let filter = &params.filter;
    let read = context.store.read()?;
    let mut last: Option<(ExecutionId, Option<(Execution, State)>)> = None;
    let listed = execution_approval::list(
        &read,
        only(&filter.execution_id),
        &paging(params),
        &mut |place| {
            let id = place.execution;
            if last.as_ref().is_none_or(|(of, _)| *of != id) {
                let state = execution::state(&read, id)?.and_then(|bytes| packed::unpack(&bytes));
                last = Some((id, execution::head(&read, id)?.zip(state)));
            }
            let Some((_, Some((head, state)))) = &last else { return Ok(None) };
            let key = NodeKey { node: place.node, iteration: place.iteration };
            let found =
                open(state, &key, None).into_iter().find(|(unit, _)| unit.item == place.item);
            let Some((unit, request)) = found else { return Ok(None) };
            let voter = who.at(view, id, state);
            let refusal = request.may_decide(&voter).err();
            let sees = view.execution_head(id, SharePermission::View).is_ok();
            let fits = (sees || refusal.is_none())
                && (filter.mine != Some(true) || refusal.is_none())
                && filter.execution_id.as_ref().is_none_or(|wanted| wanted.holds(&id))
                && filter
                    .node_id
                    .as_ref()
                    .is_none_or(|wanted: &Match<_>| wanted.holds_text(&unit.node.node));
            Ok(fits.then(|| shown(head, unit, request, refusal.as_ref())))
        },
    );
    Ok(page(listed?))
}

fn shown(
    head: &Execution,
    unit: UnitKey,
    request: &ApprovalRequest,
    refusal: Option<&Refusal>,
) -> OpenApproval {
    OpenApproval {
        execution_id: head.id,
        workflow_id: head.workflow_id,
        workflow_name: head.workflow_name.clone(),
        node_id: unit.node.node,
        iteration: unit.node.iteration,
        item: unit.item,
        message: request.message.clone(),
        form: request.form.clone(),
        approvers: request.who(),
        quorum: request.quorum,
        reason_required: request.reason_required,
        until: request.until,
        votes: request
            .votes
            .iter()
            .map(|vote| ApprovalVote {
                by: vote.by.clone(),
                at: vote.at,
                decision: vote.decision,
                comment: vote.comment.clone(),
            })
            .collect(),
        refusal: refusal.map(ToString::to_string),
    }
}
