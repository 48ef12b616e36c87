//! What stand-in definitions ask of the rest of the daemon, as their configuration says.

use std::time::Duration;

use a2n_proto::Json;

use crate::engine::kind::{Item, Outcome, Work};
use crate::engine::request::Request;
use crate::engine::request::child::ChildRequest;
use crate::engine::request::event::{EmitRequest, EventRequest};
use crate::engine::request::pace::ThrottleRequest;
use crate::engine::request::shared::SharedAction;

/// What `ask` wants of a shared value: to read it, to add one, or to set it where there is none.
pub(super) fn action(work: &Work) -> SharedAction {
    match work.config["action"].as_str() {
        Some("ADD") => SharedAction::Add { by: Json::of(&1), ttl: None },
        Some("COMPARE") => {
            let (expected, value) = (Json::null(), Json::of(&1));
            SharedAction::CompareAndSet { expected, value, ttl: None }
        }
        _ => SharedAction::Get,
    }
}

/// The name of the lock that `lock` and `free` mean.
pub(super) fn lock(work: &Work) -> String {
    work.config["name"].as_str().unwrap_or("l").to_owned()
}

/// What `turn`, `tell`, `hear` and `child` ask.
pub(super) fn request(kind: &str, work: &Work, items: Vec<Item>) -> Outcome {
    let until = work.config["ms"].as_u64().map(|ms| work.now.plus(Duration::from_millis(ms)));
    let request = match kind {
        "turn" => Request::Throttle(ThrottleRequest {
            key: "k".to_owned(),
            limit: 1,
            window: Duration::from_millis(100),
            drop: work.config["drop"] == true,
            items,
        }),
        "tell" => Request::Emit(Box::new(EmitRequest {
            event_type: "told".to_owned(),
            source: None,
            data: Json::null(),
            shared: false,
            items,
        })),
        "hear" => Request::Event(Box::new(EventRequest {
            event_type: "told".to_owned(),
            source: None,
            matching: Json::null(),
            after: work.inbox.start,
            until,
            items,
        })),
        _ => Request::Child(ChildRequest {
            workflow: "other".to_owned(),
            version: None,
            inputs: Json::object(),
            detach: work.config["detach"] == true,
        }),
    };
    Outcome::Request(Box::new(request))
}
