//! What starts executions.
