//! Places where a test makes the engine fail: absent from release builds, and off unless asked for.
//!
//! A node whose id begins with `fail-point-panic` panics the step that starts it, one with
//! `fail-point-abort` ends the process. Nothing else in the engine looks at ids so.

use std::sync::atomic::{AtomicBool, Ordering};

static ON: AtomicBool = AtomicBool::new(false);

/// Switches them on.
pub fn switch_on() {
    ON.store(true, Ordering::Relaxed);
}

/// A node's first unit is about to start.
pub(super) fn pass(node: &str) {
    if !ON.load(Ordering::Relaxed) {
        return;
    }
    assert!(!node.starts_with("fail-point-panic"), "a fail point in node `{node}`");
    if node.starts_with("fail-point-abort") {
        std::process::abort();
    }
}
