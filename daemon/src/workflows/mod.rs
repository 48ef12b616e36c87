//! Validating, comparing, versioning and applying workflow documents.

pub mod diff;
mod expressions;
pub mod layout;
mod schema;
pub mod validate;
