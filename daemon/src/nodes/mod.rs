//! Node definitions and their registry.
