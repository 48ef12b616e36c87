//! Updates: JSON Merge Patch (RFC 7396) on the JSON form of an entity.
//!
//! [`merge`] keeps the text of everything the patch does not name, numbers and member order
//! included. [`apply`] adds what an entity asks for: known members, none that is read-only, and
//! values that fit their types; everything that is wrong is said at once, each with its path.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::nearest::nearest;
use crate::{Entity, ErrorKind, Json, Problem, RpcError, Severity, json};

/// A patch that can't be applied, and all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.first().map_or("the patch can't be applied", |p| p.message.as_str()))]
pub struct Refused {
    /// At least one; paths begin with `patch`.
    pub problems: Vec<Problem>,
}

impl From<Refused> for RpcError {
    fn from(refused: Refused) -> Self {
        let error = RpcError::new(ErrorKind::Invalid, refused.to_string());
        let first = refused.problems.first().cloned();
        let error = match first {
            Some(Problem { path, hint, .. }) => RpcError { hint, ..error.at(path) },
            None => error,
        };
        RpcError { problems: refused.problems, ..error }
    }
}

/// The entity after the patch. Id, revision and times are the caller's to set.
pub fn apply<E: Entity>(entity: &E, patch: &Json) -> Result<E, Refused> {
    let old = Json::of(entity);
    let old_members = members(&old).expect("an entity is an object");
    let Some(patch_members) = members(patch) else {
        return Err(problem("patch", "NOT_AN_OBJECT", "a patch has to be one object", None).into());
    };
    let mut problems = Vec::new();
    let mut new_members = old_members.clone();
    for (name, value) in patch_members {
        match old_members.iter().position(|(known, _)| *known == name) {
            None => problems.push(unknown::<E>(&name, &old_members)),
            // What comes back as it was read is no change: whole entities may be sent back.
            Some(at) if old_members[at].1 == value => {}
            Some(_) if !E::EDITABLE.contains(&name.as_str()) => {
                problems.push(read_only::<E>(&name))
            }
            // Every member is there in the JSON form, so a removed one is null, not absent.
            Some(at) if value.is_null() => new_members[at].1 = value,
            Some(at) => new_members[at].1 = merge(&old_members[at].1, &value),
        }
    }
    if !problems.is_empty() {
        return Err(Refused { problems });
    }
    let mut new: E = json::read(object(&new_members).as_str()).map_err(|unfit| {
        let path = match unfit.path.as_str() {
            "" => "patch".to_owned(),
            path => format!("patch.{path}"),
        };
        Refused::from(problem(&path, "TYPE", &unfit.message, None))
    })?;
    new.keep_secrets(entity);
    Ok(new)
}

/// `target` as the patch says: RFC 7396.
pub fn merge(target: &Json, patch: &Json) -> Json {
    let Some(patch_members) = members(patch) else {
        return patch.clone();
    };
    let mut merged = members(target).unwrap_or_default();
    for (name, value) in patch_members {
        let at = merged.iter().position(|(known, _)| *known == name);
        match (at, value.is_null()) {
            (Some(at), true) => drop(merged.remove(at)),
            (None, true) => {}
            (Some(at), false) => merged[at].1 = merge(&merged[at].1, &value),
            (None, false) => merged.push((name, merge(&Json::null(), &value))),
        }
    }
    object(&merged)
}

fn unknown<E: Entity>(name: &str, known: &[(String, Json)]) -> Problem {
    let hint = match nearest(name, known.iter().map(|(known, _)| known.as_str())) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("editable are: {}", E::EDITABLE.join(", ")),
    };
    let message = format!("{} has no member `{name}`", E::NAME);
    problem(&format!("patch.{name}"), "UNKNOWN_MEMBER", &message, Some(hint))
}

fn read_only<E: Entity>(name: &str) -> Problem {
    let hint = match E::EDITABLE {
        [] => format!("nothing of {} can be changed this way", E::NAME),
        editable => format!("editable are: {}", editable.join(", ")),
    };
    let message = format!("`{name}` of {} can't be changed by an update", E::NAME);
    problem(&format!("patch.{name}"), "READ_ONLY", &message, Some(hint))
}

fn problem(path: &str, code: &str, message: &str, hint: Option<String>) -> Problem {
    Problem {
        path: path.to_owned(),
        code: code.to_owned(),
        severity: Severity::Error,
        message: message.to_owned(),
        hint,
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// The members of an object in their order, values as text; `None` for what is not an object.
pub fn members(json: &Json) -> Option<Vec<(String, Json)>> {
    json.as_str().starts_with('{').then(|| json.to::<Members>().map(|members| members.0).ok())?
}

/// The object with these members.
pub fn object(members: &[(String, Json)]) -> Json {
    let size = members.iter().map(|(name, value)| name.len() + value.size_bytes() + 4).sum();
    let mut text = String::with_capacity(size);
    for (name, value) in members {
        text.push(if text.is_empty() { '{' } else { ',' });
        text.push_str(Json::of(name).as_str());
        text.push(':');
        text.push_str(value.as_str());
    }
    if text.is_empty() {
        text.push('{');
    }
    text.push('}');
    Json::trusted(text).expect("members that are JSON make an object that is")
}

struct Members(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(Members(Vec::new()))
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Self;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(member) = map.next_entry()? {
            self.0.push(member);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{WorkflowShare, WorkflowTrigger};

    fn check(target: &str, patch: &str, expect: &str) {
        let json = |text: &str| Json::parse(text).unwrap();
        assert_eq!(merge(&json(target), &json(patch)).as_str(), expect, "{target} + {patch}");
    }

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn the_examples_of_the_rfc() {
        check(r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#);
        check(r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#);
        check(r#"{"a":"b"}"#, r#"{"a":null}"#, "{}");
        check(r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#);
        check(r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#);
        check(r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#);
        check(r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#);
        check(r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#);
        check(r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#);
        check(r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#);
        check(r#"{"a":"foo"}"#, "null", "null");
        check(r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#);
        check(r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#);
        check("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#);
        check("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#);
    }

    #[test]
    fn what_the_patch_does_not_name_keeps_its_text() {
        check(
            r#"{"z":{"n":1.10,"m":123456789012345678901234567890},"a":1}"#,
            r#"{"z":{"k":2}}"#,
            r#"{"z":{"n":1.10,"m":123456789012345678901234567890,"k":2},"a":1}"#,
        );
    }

    fn trigger() -> WorkflowTrigger {
        json::read(
            r#"{"id":"0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f","revision":3,
            "createdAt":"2026-11-22T12:00:00Z","updatedAt":"2026-11-22T12:00:00Z","type":"SCHEDULE",
            "name":"hourly","description":null,"isActive":true,
            "configuration":{"schedule":{"every":1.50}},"metadata":{},"armError":null,
            "triggerCount":7,"lastTriggeredAt":null,
            "workflowId":"0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f",
            "userId":"0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let patch = Json::parse(r#"{"isActive":false,"description":"x","triggerCount":7}"#);
        let patched = apply(&trigger(), &patch.unwrap()).unwrap();
        let wanted =
            WorkflowTrigger { is_active: false, description: Some("x".into()), ..trigger() };
        assert_eq!(patched, wanted);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_with_its_path() {
        let patch = Json::parse(r#"{"isActiv":false,"triggerCount":9,"revision":1}"#).unwrap();
        let refused = apply(&trigger(), &patch).unwrap_err();
        let said: Vec<_> =
            refused.problems.iter().map(|p| (p.path.as_str(), p.code.as_str())).collect();
        assert_eq!(
            said,
            [
                ("patch.isActiv", "UNKNOWN_MEMBER"),
                ("patch.triggerCount", "READ_ONLY"),
                ("patch.revision", "READ_ONLY")
            ]
        );
        assert_eq!(refused.problems[0].hint.as_deref(), Some("did you mean `isActive`?"));
        let error = RpcError::from(refused);
        assert_eq!(
            (error.kind, error.path.as_deref()),
            (ErrorKind::Invalid, Some("patch.isActiv"))
        );
        assert_eq!(error.problems.len(), 3);
    }

    #[test]
    fn a_value_of_another_type_is_named_by_its_path() {
        for (patch, path) in [
            (r#"{"name":7}"#, "patch.name"),
            (r#"{"name":null}"#, "patch.name"),
            (r#"{"isActive":"yes"}"#, "patch.isActive"),
            ("[]", "patch"),
        ] {
            let refused = apply(&trigger(), &Json::parse(patch).unwrap()).unwrap_err();
            assert_eq!(refused.problems[0].path, path, "{refused}");
        }
        let share: WorkflowShare = json::read(
            r#"{"id":"0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f","revision":1,
            "createdAt":"2026-11-22T12:00:00Z","updatedAt":"2026-11-22T12:00:00Z",
            "permission":"VIEW","isActive":true,"expiresAt":null,
            "workflowId":"0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f",
            "ownerId":"0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f",
            "sharedWithUserId":"0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"}"#,
        )
        .unwrap();
        let patch = Json::parse(r#"{"permission":"ALL"}"#).unwrap();
        let refused = apply(&share, &patch).unwrap_err();
        assert_eq!(refused.problems[0].path, "patch.permission");
        assert!(refused.to_string().contains("`ALL` is none of"), "{refused}");
    }
}
