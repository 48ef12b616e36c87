//! `workflowVersion.*`: the snapshots that every save makes.

use a2n_proto::api::workflow_version::{Filter, Get, List};
use a2n_proto::api::{Match, Which};
use a2n_proto::workflow::{SharePermission, WorkflowVersion};
use a2n_proto::{ErrorKind, RpcError};

use super::super::context::{page, paging};
use super::super::{Context, Registry};

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        let Some(Match::Is(workflow)) = params.filter.workflow_id else {
            return Err(RpcError::new(ErrorKind::Params, "versions are listed for one workflow")
                .at("filter.workflowId")
                .hint("give filter {\"workflowId\": \"…\"}"));
        };
        let Filter { version, is_published, .. } = &params.filter;
        let fits = |row: &WorkflowVersion| {
            version.as_ref().is_none_or(|wanted| wanted.holds(&row.version))
                && is_published.as_ref().is_none_or(|wanted| wanted.holds(&row.is_published))
        };
        Ok(page(view.versions(workflow, &paging(&params), &fits)?))
    });
    registry.method::<Get, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        if let Some(id) = params.id {
            return Ok(view.version(id)?);
        }
        let which = Which::of(params.workflow_id, params.workflow.as_deref())?;
        let workflow = context.workflow(&view, which, SharePermission::View)?;
        Ok(view.version_of(workflow.id, params.version.unwrap_or(workflow.version))?)
    });
}
