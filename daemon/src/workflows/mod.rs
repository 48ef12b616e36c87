//! Validating, comparing, versioning and applying workflow documents.
