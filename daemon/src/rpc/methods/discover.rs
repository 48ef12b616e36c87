//! `rpc.*`: the contract about itself.

use a2n_proto::api::rpc::Discover;

use super::super::{Context, Registry};

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<Discover, _>(|context, _, _| async move { Ok(context.openrpc.clone()) });
}
