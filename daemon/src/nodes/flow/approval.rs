//! `approval`: asks people, and goes on the way that they decide. Nothing is held meanwhile.

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::identity::Role;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use super::wait::{duration, moment};
use crate::engine::approval::{APPROVED, ApprovalRequest, Approvers, OnExpiry, REJECTED};
use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::engine::request::Request;
use crate::nodes::config::{Config, is_expression, wrong};
use crate::nodes::context::all_items;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input};
use crate::nodes::schema;

/// Longest question, in bytes.
const LONGEST_MESSAGE: usize = 16 * 1024;
/// Most people that may be wanted, and names that may be given.
const MOST: usize = 100;

const MEMBERS: &[&str] =
    &["message", "form", "approvers", "quorum", "noSelfApproval", "reason", "expiry", "onExpiry"];

const DOCUMENTATION: &str = "\
Asks people and waits for their decision: `a2n approvals` shows what waits for you, `a2n approve EXEC
--yes` (or `--no`) decides. What is approved leaves through `approved`, what is rejected through
`rejected`; each item gets a member `approval` with the decision and with who said what when.

`approvers` names who may decide: `users` by name, email or login name, `groups` of the operating
system, `roles` (that one or a higher). Whoever fits one of them may. Where nobody is named, those may
who may run the workflow. Groups are looked up when somebody decides. With `quorum: 2` two people have
to approve; one rejection decides at once. Who votes again before that replaces the own vote.
`noSelfApproval` keeps out who started the execution: it is on where approvers are named, so that four
eyes look at it, and off where nobody is, so that you can ask yourself.

`form` is a JSON Schema of what is to be filled in, `reason: REQUIRED` wants a comment. With `expiry` (a
length of time or a moment) it is over by itself: `onExpiry` says whether that approves, rejects, or
fails the node (error kind `EXPIRED`). The wait and the votes are in the store and outlive every
restart. It asks once for each item; `runOnce: true` on the node asks once for all of them.

```yaml
type: approval
config:
  message: \"Delete {{ item.path }}?\"
  approvers: {users: [alice], groups: [ops]}
  quorum: 2
  expiry: 2d
  onExpiry: REJECT
  form:
    type: object
    required: [window]
    properties: {window: {type: string, enum: [now, tonight]}}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    let names = |description: &str| schema::list(schema::text("A name."), description);
    let approvers = json!({
        "type": "object",
        "additionalProperties": false,
        "description": "Who may decide; where nobody is named, who may run the workflow.",
        "properties": {
            "users": names("Names, emails or login names."),
            "groups": names("Groups of the operating system."),
            "roles": schema::list(
                schema::choice(&["USER", "ADMIN", "OWNER"], None, "A role."),
                "At least one of these roles.",
            ),
        },
    });
    let span = |description: &str| {
        json!({
            "description": description, "type": ["integer", "string"], "minimum": 0,
            "minLength": 1, "examples": ["2d", "2026-11-22T12:00:00Z"],
        })
    };
    Definition {
        name: "approval",
        version: "1.0.0",
        display_name: "Approval",
        description: "Asks people and goes on the way that they decide.",
        node_type: NodeType::Condition,
        category: "flow",
        icon: "✋",
        color: "yellow",
        tags: &["person", "human", "confirm", "sign-off", "four eyes"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "message": schema::text("What is asked."),
                "form": {"type": ["object", "boolean"], "description": "JSON Schema of what is to be filled in."},
                "approvers": approvers,
                "quorum": schema::integer(1, Some(1), "How many people have to approve."),
                "noSelfApproval": schema::or_expression(json!({"type": "boolean", "description": "Keep out who started the execution; true where approvers are named."})),
                "reason": schema::choice(&["OPTIONAL", "REQUIRED"], Some("OPTIONAL"), "Whether a decision needs a comment."),
                "expiry": span("When it is over by itself: a length of time, or a moment in RFC 3339."),
                "onExpiry": schema::choice(&["FAIL", "REJECT", "APPROVE"], Some("FAIL"), "What it then comes to."),
            }),
            &["message"],
        ),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs: |_| vec![APPROVED.to_owned(), REJECTED.to_owned()],
        repeat: |_| Repeat::Retryable,
        check,
        carry_out: CarryOut::Inline(compute),
    }
}

fn check(config: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(form) = config.get("form")
        && let Err(error) = jsonschema::draft202012::new(form)
    {
        let message = format!("`form` is not a JSON Schema: {error}");
        let hint = "for example {type: object, properties: {reason: {type: string}}}";
        faults.push(("form".to_owned(), message, Some(hint.to_owned())));
    }
    if let Some(value) = config.get("expiry").filter(|value| !is_expression(value))
        && let Err(error) = over_at(value, a2n_proto::Timestamp::default())
    {
        let hint = "for example 2d, or 2026-11-22T12:00:00Z";
        faults.push(("expiry".to_owned(), error.message, Some(hint.to_owned())));
    }
    if config.get("onExpiry").is_some() && config.get("expiry").is_none() {
        let message = "`onExpiry` says nothing without `expiry`".to_owned();
        faults.push(("onExpiry".to_owned(), message, Some("say when it expires".into())));
    }
    faults
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, MEMBERS)?;
    let message = config.require_text("message")?;
    if message.len() > LONGEST_MESSAGE {
        let size = message.len();
        let message = format!("`message` has {size} bytes; {LONGEST_MESSAGE} are allowed");
        return Err(NodeError::new("CONFIG", message));
    }
    let approvers = approvers(&config)?;
    let names_somebody = approvers != Approvers::default();
    let quorum = match config.get("quorum") {
        None => 1,
        Some(value) => value
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| (1..=100).contains(n))
            .ok_or_else(|| wrong("quorum", value, "a whole number from 1 to 100"))?,
    };
    let until = config.get("expiry").map(|value| over_at(value, work.now)).transpose()?;
    Ok(Outcome::Request(Box::new(Request::Approval(Box::new(ApprovalRequest {
        message,
        form: config.get("form").map(|form| Json::from(form.clone())),
        approvers,
        quorum,
        no_self_approval: config.flag("noSelfApproval", names_somebody)?,
        reason_required: config.choice("reason", &["OPTIONAL", "REQUIRED"])? == "REQUIRED",
        until,
        on_expiry: match config.choice("onExpiry", &["FAIL", "REJECT", "APPROVE"])? {
            "APPROVE" => OnExpiry::Approve,
            "REJECT" => OnExpiry::Reject,
            _ => OnExpiry::Fail,
        },
        items: all_items(&work.items),
        votes: Vec::new(),
    })))))
}

fn approvers(config: &Config<'_>) -> Result<Approvers, NodeError> {
    let Some(value) = config.get("approvers") else { return Ok(Approvers::default()) };
    let named = Config::within("approvers", value, &["users", "groups", "roles"])?;
    let roles = named.list("roles")?.into_iter().map(|(at, value)| {
        let role = Role::ALL.into_iter().find(|role| value.as_str() == Some(role.as_str()));
        role.ok_or_else(|| wrong(&at, value, "one of USER, ADMIN, OWNER"))
    });
    let approvers = Approvers {
        users: named.texts("users")?,
        groups: named.texts("groups")?,
        roles: roles.collect::<Result<_, _>>()?,
    };
    let Approvers { users, groups, roles } = &approvers;
    // An expression that gives an empty list must not open it to everybody.
    if users.is_empty() && groups.is_empty() && roles.is_empty() {
        return Err(NodeError::new(
            "CONFIG",
            "`approvers` names nobody; leave it out for those who may run the workflow",
        ));
    }
    if users.len() + groups.len() + roles.len() > MOST {
        return Err(NodeError::new("CONFIG", format!("`approvers` names more than {MOST}")));
    }
    Ok(approvers)
}

/// A length of time from now, or a moment.
fn over_at(value: &Value, now: a2n_proto::Timestamp) -> Result<a2n_proto::Timestamp, NodeError> {
    if let Ok(at) = moment("expiry", value) {
        return Ok(at);
    }
    match duration("expiry", value) {
        Ok(after) => Ok(now.plus(after)),
        Err(_) => Err(wrong("expiry", value, "a length of time such as 2d, or a time in RFC 3339")),
    }
}
