//! `auditLog.*`: who changed what.

use a2n_proto::RpcError;
use a2n_proto::api::Page;
use a2n_proto::api::audit_log::{ChainProblem, List, Verify, VerifyAnswer};

use super::super::context::{only, page, paging};
use super::super::{Context, Registry};
use crate::store::audit;

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, _, params| async move {
        let filter = &params.filter;
        let query = audit::Query {
            resource: only(&filter.resource),
            resource_id: only(&filter.resource_id),
            user: only(&filter.user_id),
            action: only(&filter.action),
            from: None,
            to: None,
        };
        let snapshot = context.store.read()?;
        let mut found: Page<_> = page(audit::list(&snapshot, &query, &paging(&params))?);
        found.items.retain(|row| {
            filter.action.as_ref().is_none_or(|wanted| wanted.holds_text(&row.action))
                && filter.resource.as_ref().is_none_or(|wanted| wanted.holds_text(&row.resource))
                && filter
                    .user_id
                    .as_ref()
                    .is_none_or(|wanted| wanted.holds_some(row.user_id.as_ref()))
                && filter.timestamp.as_ref().is_none_or(|wanted| wanted.holds(&row.timestamp))
                && filter.seq.as_ref().is_none_or(|wanted| wanted.holds(&row.seq))
        });
        Ok(found)
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
