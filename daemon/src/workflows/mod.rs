//! Validating, comparing, versioning and applying workflow documents.

pub mod diff;
pub mod layout;
pub mod validate;
