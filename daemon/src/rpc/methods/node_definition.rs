//! `nodeDefinition.*`: the kinds of steps there are.

use a2n_proto::api::node_definition::{Filter, Get, List};
use a2n_proto::api::{Page, Sort};
use a2n_proto::nodes::NodeDefinition;
use a2n_proto::{ErrorKind, RpcError};

use super::super::context::place;
use super::super::{Context, Registry};

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, _, params| async move {
        let mut all: Vec<NodeDefinition> = context.definitions.definitions();
        all.retain(|definition| fits(definition, &params.filter));
        if params.sort != Some(Sort::Oldest) {
            all.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let from = place(params.cursor.as_deref())?;
        let to = from.saturating_add(params.limit()).min(all.len());
        let next_cursor = (to < all.len()).then(|| to.to_string());
        Ok(Page { items: all.drain(from.min(to)..to).collect(), next_cursor })
    });
    registry.method::<Get, _>(|context, _, params| async move {
        let all = context.definitions.definitions();
        let (wanted, found) = match (&params.id, &params.name) {
            (Some(id), None) => (id.to_string(), all.into_iter().find(|d| d.id == *id)),
            (None, Some(name)) => {
                let found = context.definitions.definition(name);
                let exact = found.map(|f| (f.name.to_owned(), f.version.to_owned()));
                let row = exact.and_then(|(name, version)| {
                    all.into_iter().find(|d| d.name == name && d.version == version)
                });
                (name.clone(), row)
            }
            _ => {
                return Err(RpcError::new(ErrorKind::Params, "give either id or name").at("name"));
            }
        };
        found.ok_or_else(|| {
            RpcError::new(ErrorKind::NotFound, format!("no nodeDefinition `{wanted}`"))
                .hint("`a2n node ls` lists them")
        })
    });
}

fn fits(definition: &NodeDefinition, filter: &Filter) -> bool {
    let words = filter.text.as_deref().unwrap_or_default().to_lowercase();
    let text = format!(
        "{} {} {}",
        definition.name,
        definition.display_name,
        definition.description.as_deref().unwrap_or_default()
    )
    .to_lowercase();
    filter.name.as_ref().is_none_or(|wanted| wanted.holds_text(&definition.name))
        && filter.kind.as_ref().is_none_or(|wanted| wanted.holds(&definition.kind))
        && filter.category.as_ref().is_none_or(|wanted| wanted.holds_text(&definition.category))
        && filter.is_active.as_ref().is_none_or(|wanted| wanted.holds(&definition.is_active))
        && filter.is_built_in.as_ref().is_none_or(|wanted| wanted.holds(&definition.is_built_in))
        && words.split_whitespace().all(|word| text.contains(word))
}
