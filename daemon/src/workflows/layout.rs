//! Gives positions to nodes that have none.

use a2n_proto::document::Document;

/// Gives every node without a position one, in layers from left to right.
pub fn fill_in(_document: &mut Document) {}
