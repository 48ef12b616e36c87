//! Moves ended executions from state to history.
