//! `rpc.*`: the contract about itself.

use a2n_proto::api::rpc::Discover;

use super::super::{Context, Registry, openrpc};

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<Discover, _>(|_, _, _| async move { Ok(openrpc::document()) });
}
