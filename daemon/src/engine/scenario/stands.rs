//! Definitions that stand in for real ones: each does one thing that a story needs.

use std::sync::Arc;
use std::time::Duration;

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::execution::ExecutionStatus;
use a2n_proto::identity::Role as UserRole;
use a2n_proto::nodes::NodeCredentials;
use serde_json::{Map, Value, json};

use crate::engine::approval::{ApprovalRequest, Approvers, OnExpiry};
use crate::engine::kind::{
    Handles, Inputs, Iterations, Kind, Kinds, NodeError, Outcome, Over, Role, Runs, Work, WorksOn,
};
use crate::engine::request::Request;
use crate::engine::request::child::ChildRequest;
use crate::engine::request::lock::LockRequest;
use crate::engine::request::look::{LookRequest, Target};
use crate::engine::request::pace::DebounceRequest;
use crate::engine::request::shared::{SharedRequest, SharedScope};

use super::asking;

/// The stand-in definitions.
#[derive(Debug)]
pub(crate) struct Stands;

#[derive(Debug)]
struct Stand {
    name: &'static str,
    works_on: WorksOn,
    runs: Runs,
    repeat: Repeat,
}

const STANDS: &[(&str, WorksOn, Runs, Repeat)] = &[
    ("set", WorksOn::Each, Runs::Inline, Repeat::Pure),
    ("if", WorksOn::Each, Runs::Inline, Repeat::Pure),
    ("filter", WorksOn::Each, Runs::Inline, Repeat::Pure),
    // Each element of `of` becomes an item.
    ("list", WorksOn::Each, Runs::Inline, Repeat::Pure),
    ("all", WorksOn::All, Runs::Inline, Repeat::Pure),
    ("merge", WorksOn::All, Runs::Inline, Repeat::Pure),
    ("wait", WorksOn::All, Runs::Inline, Repeat::Retryable),
    ("stop", WorksOn::All, Runs::Inline, Repeat::Pure),
    ("loop", WorksOn::All, Runs::Inline, Repeat::Pure),
    ("try", WorksOn::All, Runs::Inline, Repeat::Pure),
    ("break", WorksOn::All, Runs::Inline, Repeat::Pure),
    // Fails (`kind`), or panics.
    ("bad", WorksOn::Each, Runs::Inline, Repeat::Pure),
    ("job", WorksOn::Each, Runs::Outside, Repeat::Once),
    ("get", WorksOn::Each, Runs::Outside, Repeat::Retryable),
    ("bulk", WorksOn::All, Runs::Outside, Repeat::Once),
    // Asks for a shared value; the script replies.
    ("ask", WorksOn::Each, Runs::Inline, Repeat::Retryable),
    // Has another workflow run; the script replies.
    ("call", WorksOn::Each, Runs::Inline, Repeat::Retryable),
    // Waits for something in the world; the script replies.
    ("look", WorksOn::Each, Runs::Inline, Repeat::Retryable),
    // Asks people; the script votes.
    ("sure", WorksOn::Each, Runs::Inline, Repeat::Retryable),
    // Waits for a lock, gives it back, lets others come.
    ("lock", WorksOn::All, Runs::Inline, Repeat::Retryable),
    ("free", WorksOn::All, Runs::Inline, Repeat::Retryable),
    ("calm", WorksOn::Each, Runs::Inline, Repeat::Retryable),
    // Waits for its turn, tells of an event, waits for one, has another workflow run.
    ("turn", WorksOn::Each, Runs::Inline, Repeat::Retryable),
    ("tell", WorksOn::Each, Runs::Inline, Repeat::Retryable),
    ("hear", WorksOn::Each, Runs::Inline, Repeat::Retryable),
    ("child", WorksOn::Each, Runs::Inline, Repeat::Retryable),
    // Deprecated, and needs a credential.
    ("old", WorksOn::Each, Runs::Inline, Repeat::Pure),
];

impl Kinds for Stands {
    fn find(&self, reference: &str) -> Option<Arc<dyn Kind>> {
        let (name, version) = reference.split_once('@').unwrap_or((reference, "1.0.0"));
        let found = STANDS.iter().find(|stand| stand.0 == name && version == "1.0.0")?;
        let &(name, works_on, runs, repeat) = found;
        Some(Arc::new(Stand { name, works_on, runs, repeat }))
    }
    fn names(&self) -> Vec<String> {
        STANDS.iter().map(|stand| stand.0.to_owned()).filter(|name| name != "old").collect()
    }
}

impl Kind for Stand {
    fn name(&self) -> &str {
        self.name
    }
    fn version(&self) -> &str {
        "1.0.0"
    }
    fn works_on(&self) -> WorksOn {
        self.works_on
    }
    fn runs(&self) -> Runs {
        self.runs
    }
    fn role(&self) -> Role {
        match self.name {
            "loop" => Role::Loop,
            "try" => Role::Try,
            "break" => Role::Break,
            _ => Role::Step,
        }
    }
    fn repeat(&self, _: &Value) -> Repeat {
        self.repeat
    }
    fn inputs(&self) -> Inputs {
        match self.name {
            "merge" => Inputs::Numbered,
            _ => Inputs::Named(vec!["input".into()]),
        }
    }
    fn outputs(&self, _: &Value) -> Vec<String> {
        match self.name {
            "if" => vec!["true".into(), "false".into()],
            "loop" => vec!["done".into(), "loop".into()],
            "try" => vec!["try".into(), "catch".into()],
            "stop" | "break" => Vec::new(),
            "sure" => vec!["approved".into(), "rejected".into()],
            _ => vec!["output".into()],
        }
    }
    fn settings_schema(&self) -> &Value {
        static ANY: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| json!({}));
        static FILTER: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| {
            json!({
                "type": "object",
                "properties": {"where": {"type": ["string", "boolean"]}},
                "required": ["where"],
                "additionalProperties": false,
            })
        });
        static JOB: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| {
            json!({
                "type": "object",
                "properties": {
                    "script": {"type": "string"},
                    "count": {"type": "integer", "minimum": 1},
                    "mode": {"enum": ["FAST", "SLOW"]},
                },
            })
        });
        match self.name {
            "filter" => &FILTER,
            "job" => &JOB,
            _ => &ANY,
        }
    }
    fn constant_paths(&self) -> &[&str] {
        if self.name == "job" { &["script"] } else { &[] }
    }
    fn is_deprecated(&self) -> bool {
        self.name == "old"
    }
    fn credentials(&self) -> NodeCredentials {
        match self.name {
            "old" => NodeCredentials { required: true, types: vec!["API_KEY".into()] },
            _ => NodeCredentials::default(),
        }
    }
    fn compute(&self, work: &Work) -> Result<Outcome, NodeError> {
        let items: Vec<Json> = work.items.values().flatten().cloned().collect();
        let to = |handle: &str, items| Outcome::Items(Handles::from([(handle.to_owned(), items)]));
        let truth = || work.config["where"] == json!(true);
        Ok(match self.name {
            "set" => {
                let item = items.first().and_then(|item| item.to().ok());
                let mut map: Map<String, Value> = item.unwrap_or_default();
                map.extend(work.config.as_object().cloned().unwrap_or_default());
                to("output", vec![Json::of(&map)])
            }
            "if" => to(if truth() { "true" } else { "false" }, items),
            "filter" => to("output", if truth() { items } else { Vec::new() }),
            "list" => {
                let of = work.config["of"].as_array().cloned().unwrap_or_default();
                to("output", of.into_iter().map(Json::from).collect())
            }
            "wait" => {
                let until =
                    work.now.plus(Duration::from_millis(work.config["ms"].as_u64().unwrap()));
                Outcome::WaitUntil(until, Handles::from([("output".to_owned(), items)]))
            }
            "stop" => {
                let failed = work.config["status"] == json!("FAILED");
                let status =
                    if failed { ExecutionStatus::Failed } else { ExecutionStatus::Success };
                Outcome::Stop(status, work.config["message"].as_str().map(ToOwned::to_owned))
            }
            "loop" => {
                let over = match (work.config.get("forEach"), work.config.get("while")) {
                    (Some(list), _) => Over::List(Arc::new(Json::of(list).to().unwrap())),
                    (None, Some(_)) => Over::Rounds,
                    (None, None) => Over::Input,
                };
                let batch = work.config["batch"].as_u64().map_or(1, |n| u32::try_from(n).unwrap());
                let last_only = over == Over::Rounds;
                return Ok(Outcome::Loop(Iterations { over, batch, last_only }));
            }
            "try" => return Ok(Outcome::Try(items)),
            "break" => return Ok(Outcome::Break(items)),
            "ask" => Outcome::Request(Box::new(Request::Shared(SharedRequest {
                scope: SharedScope::Workflow,
                key: work.config["key"].as_str().unwrap_or("k").to_owned(),
                action: asking::action(work),
            }))),
            "call" => Outcome::Request(Box::new(Request::Child(ChildRequest {
                workflow: work.config["workflow"].as_str().unwrap_or("other").to_owned(),
                version: None,
                inputs: Json::object(),
                detach: false,
            }))),
            "look" => Outcome::Request(Box::new(Request::Look(Box::new(LookRequest {
                at: Target::Port { host: "db".to_owned(), port: 1 },
                every: Duration::from_secs(1),
                until: None,
                said: None,
                items: work.items.values().flatten().cloned().collect(),
            })))),
            "sure" => Outcome::Request(Box::new(Request::Approval(Box::new(ApprovalRequest {
                message: "sure?".to_owned(),
                form: None,
                approvers: Approvers {
                    users: Vec::new(),
                    groups: Vec::new(),
                    roles: vec![UserRole::User],
                },
                quorum: work.config["quorum"].as_u64().and_then(|n| n.try_into().ok()).unwrap_or(1),
                no_self_approval: false,
                reason_required: false,
                until: work.config["ms"]
                    .as_u64()
                    .map(|ms| work.now.plus(Duration::from_millis(ms))),
                on_expiry: match work.config["onExpiry"].as_str() {
                    Some("APPROVE") => OnExpiry::Approve,
                    Some("REJECT") => OnExpiry::Reject,
                    _ => OnExpiry::Fail,
                },
                items: work.items.values().flatten().cloned().collect(),
                votes: Vec::new(),
            })))),
            "lock" => Outcome::Request(Box::new(Request::Lock(LockRequest {
                name: asking::lock(work),
                limit: work.config["limit"].as_u64().map_or(1, |n| n.try_into().unwrap()),
                permits: 1,
                then: Handles::from([("output".to_owned(), items)]),
            }))),
            "free" => {
                let then = Handles::from([("output".to_owned(), items)]);
                Outcome::Release(asking::lock(work), then)
            }
            "calm" => Outcome::Request(Box::new(Request::Debounce(DebounceRequest {
                key: "k".to_owned(),
                until: work.now.plus(Duration::from_millis(100)),
                items,
            }))),
            "turn" | "tell" | "hear" | "child" => asking::request(self.name, work, items),
            "bad" => match work.config["kind"].as_str() {
                Some("PANIC") => panic!("as asked"),
                kind => return Err(NodeError::new(kind.unwrap_or("EXIT"), "it went wrong")),
            },
            _ => to("output", items),
        })
    }
}
