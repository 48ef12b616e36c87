//! Trying again: a failed attempt within an execution, and an ended execution as a new one.

use std::time::Duration;

use a2n_proto::document::RetryOn;
use a2n_proto::workflow::{BackoffType, RetryPolicy};

use super::execution::UnitKey;
use super::kind::NodeError;

mod again;
mod given;
mod parts;

pub use again::{Again, Error, Given, RetryFrom, Taken, again};

/// How long to wait before the next attempt after `failures` failed ones; none where there is no
/// next one. `jitter` is from 0 to 1.
pub fn delay(
    policy: &RetryPolicy,
    on: &RetryOn,
    failures: u32,
    error: &NodeError,
    jitter: f64,
) -> Option<Duration> {
    if failures == 0 || failures > policy.max_retries || !applies(on, error) {
        return None;
    }
    let base = policy.retry_delay as f64;
    let grown = match policy.backoff_type {
        BackoffType::Fixed => base,
        BackoffType::Linear => base * f64::from(failures),
        BackoffType::Exponential => {
            base * policy.multiplier.max(1.0).powf(f64::from(failures.saturating_sub(1)))
        }
    };
    // Up to a tenth more, so that what failed together does not come back together.
    let spread = grown * (1.0 + 0.1 * jitter.clamp(0.0, 1.0));
    let most = policy.max_delay.max(policy.retry_delay) as f64;
    Some(Duration::from_millis(spread.min(most).max(0.0) as u64))
}

/// Whether a failure is one that is tried again.
fn applies(on: &RetryOn, error: &NodeError) -> bool {
    let named = on.kinds.contains(&error.kind);
    if on.exit_codes.is_empty() && on.status.is_empty() && on.kinds.is_empty() {
        // These come out the same way each time, or were wanted.
        return !matches!(error.kind.as_str(), "EXPRESSION" | "CONFIG" | "CANCELLED" | "TOO_LARGE");
    }
    let code = match (error.kind.as_str(), error.code) {
        ("EXIT", Some(code)) => on.exit_codes.contains(&code),
        ("HTTP_STATUS", Some(code)) => u16::try_from(code).is_ok_and(|c| on.status.contains(&c)),
        _ => false,
    };
    named || code
}

/// A number from 0 to 1 that is the same each time for the same attempt.
pub fn jitter(execution: a2n_proto::ExecutionId, unit: &UnitKey, attempt: u32) -> f64 {
    let text =
        format!("{execution}/{}/{}/{:?}/{attempt}", unit.node.node, unit.node.iteration, unit.item);
    // FNV-1a: small, stable across versions, and good enough to spread retries.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::execution::NodeKey;

    fn check(backoff_type: BackoffType, max_delay: u64) -> Vec<u64> {
        let policy = RetryPolicy {
            max_retries: 4,
            retry_delay: 100,
            backoff_type,
            max_delay,
            ..RetryPolicy::default()
        };
        let error = NodeError::new("EXIT", "exit code 1");
        (1..=6)
            .map_while(|n| delay(&policy, &RetryOn::default(), n, &error, 0.0))
            .map(|d| u64::try_from(d.as_millis()).unwrap())
            .collect()
    }

    #[test]
    fn waits_grow_as_written_up_to_their_cap() {
        assert_eq!(check(BackoffType::Fixed, 1_000), [100, 100, 100, 100]);
        assert_eq!(check(BackoffType::Linear, 1_000), [100, 200, 300, 400]);
        assert_eq!(check(BackoffType::Exponential, 1_000), [100, 200, 400, 800]);
        assert_eq!(check(BackoffType::Exponential, 300), [100, 200, 300, 300]);
    }

    #[test]
    fn only_failures_that_are_named_are_tried_again() {
        let policy = RetryPolicy::default();
        let tried = |on: &RetryOn, kind: &str, code| {
            let error = NodeError { code, ..NodeError::new(kind, "x") };
            delay(&policy, on, 1, &error, 0.0).is_some()
        };
        let on = RetryOn { exit_codes: vec![75], status: vec![503], kinds: vec!["TIMEOUT".into()] };
        assert!(tried(&on, "EXIT", Some(75)) && tried(&on, "HTTP_STATUS", Some(503)));
        assert!(tried(&on, "TIMEOUT", None));
        assert!(!tried(&on, "EXIT", Some(1)) && !tried(&on, "HTTP_STATUS", Some(500)));
        assert!(!tried(&RetryOn::default(), "EXPRESSION", None));
    }

    #[test]
    fn jitter_is_the_same_for_the_same_attempt_and_stays_below_a_tenth() {
        let unit = UnitKey { node: NodeKey::outside_loops("a"), item: None };
        let id = a2n_proto::ExecutionId::from_bytes([7; 16]);
        let one = jitter(id, &unit, 1);
        assert!((one - jitter(id, &unit, 1)).abs() < f64::EPSILON && (0.0..1.0).contains(&one));
        assert!((one - jitter(id, &unit, 2)).abs() > f64::EPSILON);
        let error = NodeError::new("EXIT", "x");
        let wait = delay(&RetryPolicy::default(), &RetryOn::default(), 1, &error, 1.0).unwrap();
        assert_eq!(wait, Duration::from_millis(1_100));
    }
}
