//! `auditLog.*`: who changed what.

use a2n_proto::RpcError;
use a2n_proto::api::Match;
use a2n_proto::api::audit_log::{ChainProblem, Filter, List, Verify, VerifyAnswer};
use a2n_proto::system::AuditLog;

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
        let found = tokio::task::spawn_blocking(move || audit::verify(&store.read()?))
            .await
            .map_err(|_| RpcError::new(a2n_proto::ErrorKind::Internal, "the check panicked"))??;
        let within = |seq: &u64| {
            params.from.is_none_or(|from| *seq >= from) && params.to.is_none_or(|to| *seq <= to)
        };
        let problems: Vec<ChainProblem> = found
            .problems
            .into_iter()
            .map(|(seq, message)| ChainProblem { seq, code: "CHAIN".into(), message })
            .filter(|problem| within(&problem.seq))
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

/// What the store's index does not decide.
fn fits(row: &AuditLog, filter: &Filter) -> bool {
    filter.action.as_ref().is_none_or(|wanted| wanted.holds_text(&row.action))
        && filter.resource.as_ref().is_none_or(|wanted| wanted.holds_text(&row.resource))
        && filter.resource_id.as_ref().is_none_or(|wanted| wanted.holds_text(&row.resource_id))
        && filter.user_id.as_ref().is_none_or(|wanted| wanted.holds_some(row.user_id.as_ref()))
        && filter.timestamp.as_ref().is_none_or(|wanted| wanted.holds(&row.timestamp))
        && filter.seq.as_ref().is_none_or(|wanted| wanted.holds(&row.seq))
}
