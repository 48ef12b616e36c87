//! Workflows as documents: compared and written out.

use a2n_proto::api::Which;
use a2n_proto::api::workflow::{DiffAnswer, DiffParams, ExportAnswer, ExportParams, Format};
use a2n_proto::document::Document;
use a2n_proto::workflow::SharePermission;
use a2n_proto::{ErrorKind, Json, RpcError, WorkflowId};

use crate::rpc::{Call, Context};
use crate::store::View;
use crate::workflows::diff;

pub(super) fn difference(
    context: &Context,
    call: &Call,
    params: &DiffParams,
) -> Result<DiffAnswer, RpcError> {
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

pub(super) fn read(definition: &Json) -> Result<Document, RpcError> {
    Document::read(definition).map_err(|error| {
        RpcError::new(ErrorKind::Invalid, format!("not a workflow document: {error}"))
            .at("definition")
            .hint("`workflow.validate` says everything that is wrong")
    })
}

pub(super) fn export(
    context: &Context,
    call: &Call,
    params: &ExportParams,
) -> Result<ExportAnswer, RpcError> {
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
