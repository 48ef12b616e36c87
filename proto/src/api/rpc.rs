//! `rpc.*`: the contract about itself.

use super::method::methods;
use super::{Access, Nothing};
use crate::Json;

methods! {
    /// Gives the whole contract as an OpenRPC document, the same as `/openrpc.json`.
    Discover = "rpc.discover", Read, Access::Open,
    Nothing => Json,
    example {};
}
