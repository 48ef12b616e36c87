//! `system.*`: the daemon itself.

use std::sync::Arc;

use a2n_proto::api::system::{
    Health, Info, InfoAnswer, LeaveSafeMode, LeaveSafeModeAnswer, LeaveSafeModeParams, Metrics,
    Ping, Pong, Stats, StoreProblem, Subscribe, VerifiedPart, Verify, VerifyAnswer,
};
use a2n_proto::entity::NAMES;
use a2n_proto::{Change, ContentHash, ErrorKind, ExecutionId, Json, RpcError, nearest};
use serde_json::json;

use super::super::once::{Key, Once};
use super::super::{Call, Context, Ended, Registry, Sink, Stopped};
use crate::store::{FeedRead, Store, Tx, View, execution, verify};
use crate::system::attachments::Attachments;

/// Changes read from the feed at once.
const BATCH: usize = 256;

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<Ping, _>(|context, _, _| async move {
        Ok(Pong { pong: true, now: context.now() })
    });
    registry.method::<Info, _>(|context, _, _| async move {
        let safe_mode = context.safe_mode.why().is_some();
        Ok(InfoAnswer { safe_mode, ..(*context.info).clone() })
    });
    registry.method::<LeaveSafeMode, _>(|context, call, params| async move {
        leave_safe_mode(&context, &call, params).await
    });
    registry.method::<Health, _>(|context, _, _| async move { Ok(context.health.check().await) });
    registry.method::<Metrics, _>(|context, _, _| async move { Ok(context.metrics.answer()) });
    registry.method::<Stats, _>(|context, _, _| async move { Ok(context.looks.stats()) });
    registry.method::<Verify, _>(|context, _, _| async move { check_all(&context).await });
    registry.subscription::<Subscribe, _, _>(|context, call, params, sink| async move {
        let view = context.view(&call)?;
        let topics = params.topics.unwrap_or_default();
        known(&topics)?;
        let after = match &params.cursor {
            None => None,
            Some(cursor) => Some(cursor.parse::<u64>().map_err(|_| {
                RpcError::new(ErrorKind::Invalid, "the cursor is not one of this feed")
                    .at("cursor")
                    .hint("begin again without a cursor, after a fresh snapshot")
            })?),
        };
        Ok(run(context, view, topics, after, sink))
    });
}

/// Sends the changes after a number, then those that come.
async fn run(
    context: Arc<Context>,
    view: View,
    topics: Vec<String>,
    after: Option<u64>,
    sink: Arc<Sink>,
) -> Result<Ended, Stopped> {
    let feed = context.store.feed();
    let mut watch = feed.watch();
    let mut last = match after {
        Some(after) if after > feed.last() => {
            // A cursor of another store, or of this one before it was restored: nothing of what
            // this feed holds can be taken as seen.
            let last = feed.last();
            sink.gap(1, last, last).await?;
            last
        }
        Some(after) => after,
        None => {
            let last = feed.last();
            sink.start(last).await?;
            last
        }
    };
    loop {
        watch.mark_unchanged();
        loop {
            let read = feed.read_from(last + 1, BATCH).map_err(RpcError::from)?;
            match read {
                FeedRead::Gap { from, to } => {
                    last = to;
                    sink.gap(from, to, to).await?;
                }
                FeedRead::Items(items) if items.is_empty() => break,
                FeedRead::Items(items) => {
                    last = items.last().map_or(last, |change| change.seq);
                    let mut shown: Vec<(Arc<Change>, u64)> = Vec::with_capacity(items.len());
                    for change in items {
                        let wanted = topics.is_empty() || topics.contains(&change.entity);
                        if wanted && view.sees_change(&change).map_err(RpcError::from)? {
                            let seq = change.seq;
                            shown.push((change, seq));
                        }
                    }
                    sink.items(shown).await?;
                }
            }
        }
        tokio::select! {
            biased;
            () = sink.closed() => return Err(Stopped::Gone),
            changed = watch.changed() => if changed.is_err() {
                return Ok(Ended("SHUTTING_DOWN"));
            },
        }
    }
}

/// Refuses topics that no change will ever have.
fn known(topics: &[String]) -> Result<(), RpcError> {
    let unknown = topics.iter().enumerate().find(|(_, name)| !NAMES.contains(&name.as_str()));
    let Some((number, name)) = unknown else { return Ok(()) };
    let error = RpcError::new(ErrorKind::Invalid, format!("there is no entity `{name}`"))
        .at(format!("topics[{number}]"));
    Err(error.hint(match nearest(name, NAMES.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "topics are names of entities, for example `execution`".to_owned(),
    }))
}

/// Lets the engine work again; answers when everything that had not ended is taken up.
async fn leave_safe_mode(
    context: &Context,
    call: &Call,
    params: LeaveSafeModeParams,
) -> Result<LeaveSafeModeAnswer, RpcError> {
    let key = params.idempotency_key.as_deref();
    let once = Once::of(context, call, key, &params).await?;
    if Once::before::<ExecutionId>(once.as_ref()).is_none() {
        let Some(why) = context.safe_mode.why() else {
            return Err(RpcError::new(ErrorKind::Precondition, "the daemon is not in safe mode")
                .hint("`a2n health` tells how it is"));
        };
        let (origin, key) = (context.origin(call)?, Once::key(once.as_ref()));
        let nothing = ExecutionId::from_bytes([0; 16]);
        let remember = move |tx: &mut Tx<'_>| {
            let before = Json::from(json!({"safeMode": true, "why": why}));
            let after = Json::from(json!({"safeMode": false}));
            tx.audit("system.leaveSafeMode", "system", "daemon", before, after);
            Key::remember(key.as_ref(), tx, nothing)
        };
        context.store.write(origin, remember).await?;
    }
    context.safe_mode.leave().await;
    let load = context.engine.load().await?;
    Ok(LeaveSafeModeAnswer { safe_mode: false, live: load.live as u64 })
}

async fn check_all(context: &Context) -> Result<VerifyAnswer, RpcError> {
    let began = context.system.clock.monotonic();
    let (store, logs, records) =
        (context.store.clone(), context.logs.clone(), context.system_logs.clone());
    let attachments = context.attachments.clone();
    let mut answer = tokio::task::spawn_blocking(move || {
        let found = verify::verify(&store)?;
        let mut answer = VerifyAnswer {
            ok: true,
            checked: vec![
                VerifiedPart { part: "store".into(), rows: found.rows },
                VerifiedPart { part: "auditLog".into(), rows: found.audit.rows },
            ],
            problems: Vec::new(),
            took: 0,
        };
        answer.problems.extend(found.problems.into_iter().map(|problem| StoreProblem {
            part: format!("{}/{}", problem.file, problem.table),
            key: problem.key,
            code: "STORE".into(),
            message: problem.what,
        }));
        for (part, report) in [("logs", logs.verify()?), ("logs/system", records.verify()?)] {
            answer.checked.push(VerifiedPart { part: part.into(), rows: report.n_records });
            answer.problems.extend(report.problems.into_iter().map(|damage| StoreProblem {
                part: part.into(),
                key: format!("{}+{}", damage.file, damage.offset),
                code: "DAMAGED".into(),
                message: format!("{} ({} bytes)", damage.what, damage.bytes),
            }));
        }
        check_attachments(&store, &attachments, &mut answer)?;
        Ok::<VerifyAnswer, RpcError>(answer)
    })
    .await
    .map_err(|_| super::panicked("the store"))??;
    let took = context.system.clock.monotonic().saturating_sub(began);
    answer.took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    answer.ok = answer.problems.is_empty();
    Ok(answer)
}

/// Every attachment that is named is there, and every one that is there has its hash.
fn check_attachments(
    store: &Store,
    attachments: &Attachments,
    answer: &mut VerifyAnswer,
) -> Result<(), RpcError> {
    let part = || "attachments".to_owned();
    let unread = |error| {
        RpcError::new(
            ErrorKind::Storage,
            format!("the folder of attachments can't be read: {error}"),
        )
    };
    let named = execution::Naming::of(store.read()?)?.all()?;
    let kept = attachments.list().map_err(unread)?;
    let mut wrong = |hash: ContentHash, code: &str, message: &str| {
        let (code, message) = (code.to_owned(), message.to_owned());
        answer.problems.push(StoreProblem { part: part(), key: hash.to_string(), code, message });
    };
    for hash in named {
        // Asked again: one that was put in just now is not in the list yet.
        if kept.binary_search(&hash).is_err() && !attachments.has(hash) {
            wrong(hash, "MISSING", "an execution names it, but it is not there");
        }
    }
    let mut rows = 0;
    for hash in kept {
        rows += 1;
        match attachments.is_whole(hash) {
            Ok(true) => {}
            Ok(false) => wrong(hash, "DAMAGED", "its bytes do not have its hash"),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => rows -= 1,
            Err(e) => wrong(hash, "DAMAGED", &e.to_string()),
        }
    }
    answer.checked.push(VerifiedPart { part: part(), rows });
    Ok(())
}
