//! Approvals: who may decide, what a vote counts for, and when it is decided. Pure; votes are part
//! of the execution's own state, so they outlive every crash together with it.
//!
//! One rejection decides; approvals decide when there are as many as the quorum. Who votes again
//! before that replaces the own vote.

use a2n_proto::execution::Decision;
use a2n_proto::identity::Role;
use a2n_proto::{Json, Timestamp, UserId, merge_patch};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kind::{Handles, Item, NodeError, Outcome};

/// The handle of what was approved.
pub const APPROVED: &str = "approved";
/// The handle of what was rejected.
pub const REJECTED: &str = "rejected";
/// Longest comment, in bytes.
pub const LONGEST_COMMENT: usize = 16 * 1024;
/// Largest answer to a form, in bytes.
pub const LARGEST_FORM: usize = 64 * 1024;
/// How many of a form's faults are told.
const FAULTS: usize = 20;

/// A question to people, and what they have said so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// What is asked.
    pub message: String,
    /// JSON Schema of what is to be filled in; none where yes or no is all.
    pub form: Option<Json>,
    /// Who may decide.
    pub approvers: Approvers,
    /// How many have to approve.
    pub quorum: u32,
    /// Whether who started the execution may not decide.
    pub no_self_approval: bool,
    /// Whether a vote needs a comment.
    pub reason_required: bool,
    /// When it is over by itself.
    pub until: Option<Timestamp>,
    /// What it then comes to.
    pub on_expiry: OnExpiry,
    /// What goes on, with the decision.
    pub items: Vec<Item>,
    /// What people have said, one vote each, in the order of their last words.
    pub votes: Vec<Vote>,
}

/// Who may decide. Where nobody is named: who may run the workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvers {
    /// By name, email or login name.
    pub users: Vec<String>,
    /// By groups of the operating system.
    pub groups: Vec<String>,
    /// With at least one of these roles.
    pub roles: Vec<Role>,
}

/// What it comes to when nobody decided in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnExpiry {
    /// It counts as approved.
    Approve,
    /// It counts as rejected.
    Reject,
    /// The node fails.
    Fail,
}

/// What one person said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub user: UserId,
    /// What they are called.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Yes or no.
    pub decision: Decision,
    /// Why.
    pub comment: Option<String>,
    /// What they filled in; `null` where there was nothing to.
    pub form: Json,
}

/// What somebody wants to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Ballot {
    /// Yes or no.
    pub decision: Decision,
    /// Why.
    pub comment: Option<String>,
    /// What they filled in; `null` where they filled in nothing.
    pub form: Json,
}

/// Somebody who wants to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// Who.
    pub user: UserId,
    /// What they are called; stands in the decision.
    pub name: String,
    /// Their email and login names.
    pub also: Vec<String>,
    /// The groups of the operating system that they are in.
    pub groups: Vec<String>,
    /// What they may do.
    pub role: Role,
    /// Whether they may run the workflow.
    pub may_run: bool,
    /// Whether they started the execution.
    pub is_starter: bool,
}

/// Why a vote does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// They are not among the approvers.
    #[error("you may not decide this: {who} may")]
    NotYours {
        /// Who may.
        who: String,
    },
    /// They started the execution.
    #[error("you started this execution, and it wants somebody else to decide")]
    Own,
    /// A vote needs a reason.
    #[error("this decision needs a comment that says why")]
    NoReason,
    /// A text or an answer is too long.
    #[error("the {what} has {size} bytes; {most} are allowed")]
    TooLong {
        /// `comment` or `form`.
        what: &'static str,
        /// How much there is.
        size: usize,
        /// How much there may be.
        most: usize,
    },
    /// There is no form.
    #[error("there is nothing to fill in")]
    NoForm,
    /// What was filled in does not fit.
    #[error("{}", faults.first().map_or("the form does not fit", |(_, message)| message.as_str()))]
    Form {
        /// Each fault: its path, which begins with `form`, and what is wrong.
        faults: Vec<(String, String)>,
    },
}

/// Where a request stands after a vote.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It goes on waiting, with these votes.
    Open(ApprovalRequest),
    /// It is decided.
    Decided(Outcome),
}

impl ApprovalRequest {
    /// Whether somebody is among those who decide.
    pub fn may_decide(&self, voter: &Voter) -> Result<(), Refusal> {
        if !self.approvers.include(voter) {
            return Err(Refusal::NotYours { who: self.who() });
        }
        if self.no_self_approval && voter.is_starter {
            return Err(Refusal::Own);
        }
        Ok(())
    }

    /// Whether a vote counts.
    pub fn check(&self, voter: &Voter, ballot: &Ballot) -> Result<(), Refusal> {
        self.may_decide(voter)?;
        let comment = ballot.comment.as_deref().unwrap_or_default();
        if comment.len() > LONGEST_COMMENT {
            let (size, most) = (comment.len(), LONGEST_COMMENT);
            return Err(Refusal::TooLong { what: "comment", size, most });
        }
        if self.reason_required && comment.trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        self.check_form(ballot)
    }

    fn check_form(&self, ballot: &Ballot) -> Result<(), Refusal> {
        let Some(schema) = &self.form else {
            return if ballot.form.is_null() { Ok(()) } else { Err(Refusal::NoForm) };
        };
        // Who says no need not fill in what a yes would need.
        if ballot.form.is_null() && ballot.decision == Decision::Reject {
            return Ok(());
        }
        let (size, most) = (ballot.form.size_bytes(), LARGEST_FORM);
        if size > most {
            return Err(Refusal::TooLong { what: "form", size, most });
        }
        let given = if ballot.form.is_null() { json!({}) } else { ballot.form.to_value() };
        let wrong = |message: String| Refusal::Form { faults: vec![(path_of(""), message)] };
        let validator = jsonschema::draft202012::new(&schema.to_value())
            .map_err(|error| wrong(format!("the workflow's form is not a JSON Schema: {error}")))?;
        let faults: Vec<(String, String)> = validator
            .iter_errors(&given)
            .take(FAULTS)
            .map(|fault| (path_of(&fault.instance_path().to_string()), fault.to_string()))
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(Refusal::Form { faults }) }
    }

    /// What a vote that counts leads to.
    pub fn vote(&self, voter: &Voter, ballot: &Ballot, at: Timestamp) -> Standing {
        let mut next = self.clone();
        next.votes.retain(|vote| vote.user != voter.user);
        next.votes.push(Vote {
            user: voter.user,
            by: voter.name.clone(),
            at,
            decision: ballot.decision,
            comment: ballot.comment.clone().filter(|comment| !comment.trim().is_empty()),
            form: ballot.form.clone(),
        });
        let n_yes = next.n_approved();
        match ballot.decision {
            Decision::Reject => Standing::Decided(next.outcome(Decision::Reject, false)),
            Decision::Approve if n_yes >= next.quorum => {
                Standing::Decided(next.outcome(Decision::Approve, false))
            }
            Decision::Approve => Standing::Open(next),
        }
    }

    /// What it comes to when nobody decided in time.
    pub fn expired(&self) -> Result<Outcome, NodeError> {
        match self.on_expiry {
            OnExpiry::Approve => Ok(self.outcome(Decision::Approve, true)),
            OnExpiry::Reject => Ok(self.outcome(Decision::Reject, true)),
            OnExpiry::Fail => {
                let (has, needs) = (self.n_approved(), self.quorum);
                let message = format!("nobody decided in time: {has} of {needs} approved");
                Err(NodeError::new("EXPIRED", message))
            }
        }
    }

    /// The items with what was decided, on their handle.
    fn outcome(&self, decision: Decision, expired: bool) -> Outcome {
        let (handle, word) = match decision {
            Decision::Approve => (APPROVED, "APPROVED"),
            Decision::Reject => (REJECTED, "REJECTED"),
        };
        let decisions: Vec<Value> = self.votes.iter().map(told).collect();
        let approval =
            Json::from(json!({"decision": word, "expired": expired, "decisions": decisions}));
        let items = self.items.iter().map(|item| with_approval(item, &approval)).collect();
        Outcome::Items(Handles::from([(handle.to_owned(), items)]))
    }

    /// How many have approved.
    pub fn n_approved(&self) -> u32 {
        let yes = self.votes.iter().filter(|vote| vote.decision == Decision::Approve).count();
        u32::try_from(yes).unwrap_or(u32::MAX)
    }

    /// Who may decide, for people.
    pub fn who(&self) -> String {
        let Approvers { users, groups, roles } = &self.approvers;
        let mut parts: Vec<String> = users.clone();
        parts.extend(groups.iter().map(|group| format!("group {group}")));
        parts.extend(roles.iter().map(|role| format!("role {}", role.as_str())));
        if parts.is_empty() { "who may run the workflow".into() } else { parts.join(", ") }
    }

    /// What it waits for, in a line.
    pub fn detail(&self) -> String {
        let (has, needs) = (self.n_approved(), self.quorum);
        format!("{has} of {needs} approved; {} may decide", self.who())
    }
}

impl Approvers {
    fn include(&self, voter: &Voter) -> bool {
        let Self { users, groups, roles } = self;
        if users.is_empty() && groups.is_empty() && roles.is_empty() {
            return voter.may_run;
        }
        let is_named = |name: &String| {
            *name == voter.name || voter.also.iter().any(|also| also.eq_ignore_ascii_case(name))
        };
        users.iter().any(is_named)
            || groups.iter().any(|group| voter.groups.contains(group))
            || roles.iter().any(|role| voter.role >= *role)
    }
}

fn told(vote: &Vote) -> Value {
    json!({
        "by": vote.by,
        "at": vote.at,
        "decision": vote.decision,
        "comment": vote.comment,
        "form": vote.form.to_value(),
    })
}

/// The item with a member `approval`; what is no object comes as `value` beside it.
fn with_approval(item: &Item, approval: &Json) -> Item {
    let mut members =
        merge_patch::members(item).unwrap_or_else(|| vec![("value".to_owned(), item.clone())]);
    members.retain(|(name, _)| name != "approval");
    members.push(("approval".to_owned(), approval.clone()));
    merge_patch::object(&members)
}

/// A JSON pointer below the form as we write paths: `/hosts/0` is `form.hosts[0]`.
fn path_of(pointer: &str) -> String {
    let mut text = String::from("form");
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            text.push_str(&format!("[{part}]"));
        } else {
            text.push_str(&format!(".{part}"));
        }
    }
    text
}

#[cfg(test)]
#[path = "approval_tests.rs"]
mod tests;
