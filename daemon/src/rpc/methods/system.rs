//! `system.*`: the daemon itself.

use std::sync::Arc;

use a2n_proto::api::system::{
    Health, Info, Metrics, Ping, Pong, Stats, StoreProblem, Subscribe, VerifiedPart, Verify,
    VerifyAnswer,
};
use a2n_proto::{Change, ErrorKind, RpcError};

use super::super::{Context, Ended, Registry, Sink, Stopped};
use crate::store::{FeedRead, View, verify};

/// Changes read from the feed at once.
const BATCH: usize = 256;

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<Ping, _>(|context, _, _| async move {
        Ok(Pong { pong: true, now: context.now() })
    });
    registry.method::<Info, _>(|context, _, _| async move { Ok((*context.info).clone()) });
    registry.method::<Health, _>(|context, _, _| async move { Ok(context.health.check().await) });
    registry.method::<Metrics, _>(|context, _, _| async move { Ok(context.metrics.answer()) });
    registry.method::<Stats, _>(|context, _, _| async move { Ok(context.looks.stats()) });
    registry.method::<Verify, _>(|context, _, _| async move { check_all(&context).await });
    registry.subscription::<Subscribe, _, _>(|context, call, params, sink| async move {
        let view = context.view(&call)?;
        let topics = params.topics.unwrap_or_default();
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

async fn check_all(context: &Context) -> Result<VerifyAnswer, RpcError> {
    let began = context.system.clock.monotonic();
    let (store, logs, records) =
        (context.store.clone(), context.logs.clone(), context.system_logs.clone());
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
        Ok::<VerifyAnswer, RpcError>(answer)
    })
    .await
    .map_err(|_| super::panicked("the store"))??;
    let took = context.system.clock.monotonic().saturating_sub(began);
    answer.took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    answer.ok = answer.problems.is_empty();
    Ok(answer)
}
