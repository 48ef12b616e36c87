//! `auditLog.*`: who changed what.

use a2n_proto::api::Match;
use a2n_proto::api::audit_log::{ChainProblem, Filter, List, Verify, VerifyAnswer};
use a2n_proto::system::AuditLog;
use a2n_proto::{ErrorKind, RpcError};

use super::super::context::{only, page, paging, span};
use super::super::{Context, Registry};
use crate::store::audit;

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, _, params| async move {
        let filter = &params.filter;
        let (from, to) = span(&filter.timestamp);
        let (from_seq, to_seq) = match filter.seq {
            Some(Match::Is(seq)) => (Some(seq), Some(seq.saturating_add(1))),
            Some(Match::Range { gte, lt }) => (gte, lt),
            _ => (None, None),
        };
        let query = audit::Query {
            resource: only(&filter.resource),
            resource_id: only(&filter.resource_id),
            user: only(&filter.user_id),
            from_seq,
            to_seq,
            from,
            to,
        };
        let fits = |row: &AuditLog| fits(row, filter);
        Ok(page(audit::list(&context.store.read()?, &query, &paging(&params), &fits)?))
    });
    registry.method::<Verify, _>(|context, _, params| async move {
        let store = context.store.clone();
        let (from, to) = (params.from.unwrap_or(1).max(1), params.to.unwrap_or(u64::MAX));
        let found = tokio::task::spawn_blocking(move || {
            let read = store.read()?;
            in_range(from, to, audit::last_number(&read)?)?;
            Ok::<_, RpcError>(audit::verify_between(&read, from, to)?)
        })
        .await
        .map_err(|_| RpcError::new(ErrorKind::Internal, "the check panicked"))??;
        let problems: Vec<ChainProblem> = found
            .problems
            .into_iter()
            .map(|(seq, message)| ChainProblem { seq, code: "CHAIN".into(), message })
            .collect();
        Ok(VerifyAnswer {
            ok: problems.is_empty(),
            rows: found.rows,
            from: found.from,
            to: found.to,
            problems,
        })
    });
}

/// Where nothing lies in the range, there is nothing to say `ok` about.
fn in_range(from: u64, to: u64, last: u64) -> Result<(), RpcError> {
    let invalid = |message: String, hint: String| {
        Err(RpcError::new(ErrorKind::Invalid, message).at("from").hint(hint))
    };
    if from > to {
        return invalid(
            format!("`from` ({from}) is above `to` ({to})"),
            "`from` is the first number to check, `to` the last".into(),
        );
    }
    if from > last {
        return invalid(
            format!("there is no audit row {from}"),
            format!("the last one is number {last}"),
        );
    }
    Ok(())
}

/// What the store's index does not decide.
fn fits(row: &AuditLog, filter: &Filter) -> bool {
    filter.action.as_ref().is_none_or(|wanted| wanted.holds_text(&row.action))
        && filter.resource.as_ref().is_none_or(|wanted| wanted.holds_text(&row.resource))
        && filter.resource_id.as_ref().is_none_or(|wanted| wanted.holds_text(&row.resource_id))
        && filter.user_id.as_ref().is_none_or(|wanted| wanted.holds_some(row.user_id.as_ref()))
        && filter.timestamp.as_ref().is_none_or(|wanted| wanted.holds(&row.timestamp))
        && filter.seq.as_ref().is_none_or(|wanted| wanted.holds(&row.seq))
}
