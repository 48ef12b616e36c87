//! Facts, units and requests as a journal says them.

use a2n_proto::Json;

use crate::engine::effect::TimerKey;
use crate::engine::execution::{Ending, NodeKey, Output, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::request::Request;

pub(super) fn node_text(key: &NodeKey) -> String {
    match key.iteration.as_str() {
        "" => key.node.clone(),
        path => format!("{}[{path}]", key.node),
    }
}

pub(crate) fn unit_text(unit: &UnitKey) -> String {
    let item = unit.item.map(|item| format!("#{item}")).unwrap_or_default();
    node_text(&unit.node) + &item
}

pub(super) fn timer_text(key: &TimerKey) -> String {
    match key {
        TimerKey::Timeout => "timeout".to_owned(),
        TimerKey::Wait(unit) => format!("wait {}", unit_text(unit)),
        TimerKey::Retry(unit) => format!("retry {}", unit_text(unit)),
        TimerKey::Request(unit) => format!("request {}", unit_text(unit)),
    }
}

pub(super) fn request_text(request: &Request) -> String {
    match request {
        Request::Shared(shared) => format!("shared `{}`", shared.key),
        Request::Approval(approval) => approval.detail(),
        Request::Emit(emit) => format!("emit {}", emit.event_type),
        Request::Event(event) => event.detail(),
        Request::Look(look) => look.detail(),
        Request::Child(child) => format!("workflow `{}`", child.workflow),
        Request::Lock(lock) => format!("{} of lock `{}`", lock.permits, lock.name),
        Request::Throttle(throttle) => format!("throttle `{}`", throttle.key),
        Request::Debounce(debounce) => format!("debounce `{}`", debounce.key),
    }
}

pub(crate) fn fact_text(fact: &Fact) -> String {
    match fact {
        Fact::Began { .. } => "began".into(),
        Fact::NodeStarted { node, units, each, .. } => {
            let units = if *each { format!(" {units} items") } else { String::new() };
            format!("{} started{units}", node_text(node))
        }
        Fact::NodeSkipped { node, .. } => format!("{} skipped", node_text(node)),
        Fact::AttemptStarted { unit, n, .. } => format!("{} attempt {n}", unit_text(unit)),
        Fact::AttemptEnded { unit, n, error, lost, .. } => {
            let how = error.as_ref().map_or("ok", |error| &error.kind);
            let lost = if *lost { " lost" } else { "" };
            format!("{} attempt {n} ended {how}{lost}", unit_text(unit))
        }
        Fact::UnitTakenOver { unit, .. } => format!("{} taken over", unit_text(unit)),
        Fact::UnitDone { unit, output } => format!("{} done {}", unit_text(unit), Json::of(output)),
        Fact::UnitFailed { unit, error, .. } => format!("{} failed: {error}", unit_text(unit)),
        Fact::UnitBackoff { unit, until } => {
            format!("{} again at {}", unit_text(unit), until.as_unix_ms())
        }
        Fact::UnitWaiting { unit, until, .. } => {
            format!("{} waits until {}", unit_text(unit), until.as_unix_ms())
        }
        Fact::UnitRequested { unit, request, .. } => {
            format!("{} asks: {}", unit_text(unit), request_text(request))
        }
        Fact::LockTaken { held } => {
            format!("{} holds {} of `{}`", unit_text(&held.unit), held.permits, held.name)
        }
        Fact::LockReleased { name } => format!("`{name}` is free"),
        Fact::UnitInDoubt { unit, .. } => format!("{} in doubt", unit_text(unit)),
        Fact::UnitInside { unit, output } => {
            format!("{} goes in{}", unit_text(unit), sent_text(output))
        }
        Fact::Caught { node, caught } => format!("{} caught {}", node_text(node), caught.item),
        Fact::LoopBegan { node, .. } => format!("loop {} began", node_text(node)),
        Fact::LoopSkipped { node, .. } => format!("loop {} passed by", node_text(node)),
        Fact::IterationBegan { node, index, .. } => {
            format!("loop {} iteration {index}", node_text(node))
        }
        Fact::IterationEnded { node, index, left, result } => {
            let left = left
                .iter()
                .map(|((node, handle), sent)| format!(" {node}.{handle}:{}", sent.items.len()));
            let back = result.as_ref().map(|sent| format!(" back:{}", sent.items.len()));
            let left = left.collect::<String>() + &back.unwrap_or_default();
            format!("loop {} iteration {index} over{left}", node_text(node))
        }
        Fact::IterationFolded { node, index, .. } => {
            format!("loop {} iteration {index} put away", node_text(node))
        }
        Fact::LoopClosing { node, broken } => {
            let how = if broken.is_some() { "broken" } else { "closing" };
            format!("loop {} {how}", node_text(node))
        }
        Fact::LoopEnded { node } => format!("loop {} over", node_text(node)),
        Fact::FinallyBegan { status } => format!("came to {status:?}, now what runs at the end"),
        Fact::FinallyFailed { failure } => {
            format!("{} failed at the end", node_text(&failure.node))
        }
        Fact::FinallyStopped { why } => format!("ending at the end: {}", ending_text(why)),
        Fact::UnitReady { unit } => format!("{} ready", unit_text(unit)),
        Fact::UnitCancelled { unit } => format!("{} cancelled", unit_text(unit)),
        Fact::NodeEnded { node, status, output, .. } => {
            format!("{} {status:?}{}", node_text(node), sent_text(output))
        }
        Fact::Progressed { node, percent, .. } => format!("{} at {percent} %", node_text(node)),
        Fact::FailureNoted { failure } => format!("failure noted: {}", node_text(&failure.node)),
        Fact::EndingBegan { why } => format!("ending: {}", ending_text(why)),
        Fact::PauseAsked { .. } => "pause asked".into(),
        Fact::PauseLifted => "pause lifted".into(),
        Fact::Paused { reason, ran_ms } => format!("paused {reason:?} after {ran_ms}"),
        Fact::Resumed { ran_ms, .. } => format!("running, {ran_ms} so far"),
        Fact::Ended { status, .. } => format!("ended {status:?}"),
    }
}

pub(super) fn sent_text(output: &Output) -> String {
    let sent = output.handles.iter();
    sent.map(|(handle, sent)| format!(" {handle}:{}", sent.items.len())).collect()
}

pub(super) fn ending_text(why: &Ending) -> String {
    match why {
        Ending::Cancelled { .. } => "cancelled".into(),
        Ending::Failed(failure) => format!("{} failed", failure.node.node),
        Ending::TimedOut { after_ms } => format!("timed out after {after_ms}"),
        Ending::Stopped { node, status, .. } => format!("{} stopped it {status:?}", node.node),
    }
}
