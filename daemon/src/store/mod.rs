//! The embedded store: one writer with group commit, snapshots for readers, a numbered feed of changes.
