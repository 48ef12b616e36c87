//! `execution.cancel`, `pause`, `resume`, `answer`: a person's word to one execution. Each is written
//! with its audit row in the commit of what it changes, or refused in one sentence.

use a2n_proto::api::execution::{AnswerParams, CancelParams, Outcome, PauseParams, ResumeParams};
use a2n_proto::execution::Execution;
use a2n_proto::workflow::SharePermission;
use a2n_proto::{ErrorKind, ExecutionId, Json, RpcError};
use serde::Serialize;
use serde_json::json;

use super::fresh;
use crate::engine::driving::handle::{Admission, Error as EngineError};
use crate::engine::driving::recover;
use crate::engine::driving::stuck::{self, Why};
use crate::engine::input::{Answer, Input};
use crate::engine::steering::{self, Refusal};
use crate::rpc::methods::workflow::check_size;
use crate::rpc::once::{Key, Once};
use crate::rpc::{Call, Context};
use crate::store::{self, Origin, Tx};

/// One word to one execution.
struct Word<'p, P> {
    id: ExecutionId,
    /// Told to the engine.
    input: Input,
    /// `execution.…`, for the audit.
    action: &'static str,
    /// What the audit row says.
    said: Json,
    if_revision: Option<u64>,
    key: Option<&'p str>,
    params: &'p P,
}

pub(super) async fn cancel(
    context: &Context,
    call: &Call,
    params: CancelParams,
) -> Result<Execution, RpcError> {
    let by = Some(context.view(call)?.caller().name.clone());
    let said = Json::from(json!({"reason": params.reason}));
    let word = Word {
        id: params.id,
        input: Input::Cancel { by, reason: params.reason.clone() },
        action: "execution.cancel",
        said,
        if_revision: params.if_revision,
        key: params.idempotency_key.as_deref(),
        params: &params,
    };
    say(context, call, word).await
}

pub(super) async fn pause(
    context: &Context,
    call: &Call,
    params: PauseParams,
) -> Result<Execution, RpcError> {
    let by = Some(context.view(call)?.caller().name.clone());
    let word = Word {
        id: params.id,
        input: Input::Pause { by },
        action: "execution.pause",
        said: Json::from(json!({"reason": params.reason})),
        if_revision: params.if_revision,
        key: params.idempotency_key.as_deref(),
        params: &params,
    };
    say(context, call, word).await
}

pub(super) async fn resume(
    context: &Context,
    call: &Call,
    params: ResumeParams,
) -> Result<Execution, RpcError> {
    let word = Word {
        id: params.id,
        input: Input::Resume,
        action: "execution.resume",
        said: Json::object(),
        if_revision: params.if_revision,
        key: params.idempotency_key.as_deref(),
        params: &params,
    };
    say(context, call, word).await
}

pub(super) async fn answer(
    context: &Context,
    call: &Call,
    params: AnswerParams,
) -> Result<Execution, RpcError> {
    if let Some(output) = &params.output {
        if params.outcome != Outcome::Done {
            return Err(RpcError::new(ErrorKind::Params, "output goes with outcome DONE only")
                .at("output")
                .hint("what failed or runs again has none from you"));
        }
        check_size(context, output, "output")?;
    }
    let answer = match params.outcome {
        Outcome::Done => Answer::Done(params.output.clone().unwrap_or_default()),
        Outcome::Failed => Answer::Failed,
        Outcome::RunAgain => Answer::RunAgain,
    };
    let input = Input::Answer {
        node: params.node_id.clone(),
        iteration: params.iteration.clone().unwrap_or_default(),
        item: params.item,
        answer,
    };
    let said = Json::from(json!({
        "nodeId": params.node_id,
        "iteration": params.iteration,
        "item": params.item,
        "outcome": params.outcome,
        "comment": params.comment,
    }));
    let word = Word {
        id: params.id,
        input,
        action: "execution.answer",
        said,
        if_revision: params.if_revision,
        key: params.idempotency_key.as_deref(),
        params: &params,
    };
    say(context, call, word).await
}

async fn say<P: Serialize>(
    context: &Context,
    call: &Call,
    word: Word<'_, P>,
) -> Result<Execution, RpcError> {
    let view = context.view(call)?;
    let Word { id, input, action, said, .. } = word;
    let once = Once::of(context, call, word.key, word.params).await?;
    if let Some(before) = Once::before(once.as_ref()) {
        return Ok(view.execution(before, SharePermission::View)?);
    }
    let head = view.execution_head(id, SharePermission::Execute)?;
    fresh(&head, word.if_revision)?;
    let key = Once::key(once.as_ref());
    let origin = context.origin(call)?;
    if let Some(why) = cant_go_on(context, &head) {
        if matches!((&input, &why), (Input::Resume, Why::Quarantined(_))) {
            return resume_quarantined(context, origin, id, key).await;
        }
        let Input::Cancel { by, reason } = input else {
            if let Some(why) = context.safe_mode.why() {
                return Err(EngineError::SafeMode(why).into());
            }
            let message = format!("execution {id} can't go on: {why}");
            return Err(RpcError::new(ErrorKind::Precondition, message).hint(format!(
                "it can only be ended: `a2n cancel {id}`, then `a2n retry {id} --from START`"
            )));
        };
        let end = move |tx: &mut Tx<'_>| {
            let by = by.as_deref().unwrap_or_default();
            let ended = stuck::cancel(tx, id, &why, by, reason.as_deref())?;
            remember(tx, id, action, said, key.as_ref())?;
            Ok(ended)
        };
        let ended = context.store.write(origin, end).await?;
        context.engine.over(ended.workflow_id, id).await;
        return Ok(ended);
    }
    let asked = steering::asked(&input);
    let within = Box::new(move |tx: &mut Tx<'_>| {
        remember(tx, id, action, said, key.as_ref())?;
        Ok(Admission::New)
    });
    match context.engine.tell(id, input, origin, within).await {
        Ok(execution) => Ok(execution),
        // It ended meanwhile, or has long ended.
        Err(EngineError::NotLive(_)) => {
            let status = view.execution_head(id, SharePermission::View)?.status;
            if !status.is_ended() {
                return Err(EngineError::NotLive(id).into());
            }
            Err(EngineError::Refused(Refusal::ended(id, status, asked)).into())
        }
        Err(other) => Err(other.into()),
    }
}

/// Why an execution that has not ended is in nobody's hands; none where it has or is.
fn cant_go_on(context: &Context, head: &Execution) -> Option<Why> {
    if head.status.is_ended() {
        return None;
    }
    let in_safe_mode = || context.safe_mode.why().map(|_| Why::SafeMode);
    context.stuck.why(head.id).or_else(in_safe_mode)
}

/// Takes up an execution that was put aside from where it is stored.
async fn resume_quarantined(
    context: &Context,
    origin: Origin,
    id: ExecutionId,
    key: Option<Key>,
) -> Result<Execution, RpcError> {
    if let Some(why) = context.safe_mode.why() {
        return Err(EngineError::SafeMode(why).into());
    }
    let release = move |tx: &mut Tx<'_>| {
        let released = stuck::release(tx, id)?;
        remember(tx, id, "execution.resume", Json::object(), key.as_ref())?;
        Ok(released)
    };
    let released = context.store.write(origin, release).await?;
    recover::one(&context.store, &context.plans, &context.engine, &context.stuck, id).await?;
    Ok(released)
}

/// What every word writes besides.
fn remember(
    tx: &mut Tx<'_>,
    id: ExecutionId,
    action: &str,
    said: Json,
    key: Option<&Key>,
) -> Result<(), store::Error> {
    tx.audit(action, "execution", id, Json::null(), said);
    Key::remember(key, tx, id)
}
