//! The other workflows that a document names: each has to be there, seen as the workflow's owner
//! sees it. Looked at wherever there is a store; the document alone can't tell.

use a2n_proto::api::auth::Via;
use a2n_proto::{Json, Problem, Timestamp, UserId, WorkflowId, nearest};
use serde_json::Value;

use crate::engine::check::error;
use crate::engine::expression::is_template;
use crate::store::view::find_workflow;
use crate::store::{self, Caller, Paging, Read, user, workflow};

/// So many names are looked at for the one that was meant.
const NAMES: usize = 1_000;

/// Who looks, at what.
pub(super) struct Look<'l, R: Read> {
    pub(super) read: &'l R,
    /// Whose names count.
    pub(super) owner: UserId,
    /// Shares are judged by this moment.
    pub(super) at: Timestamp,
    /// Workflows that come to be in the same commit.
    pub(super) beside: &'l [String],
}

impl<R: Read> Look<'_, R> {
    /// A problem for each name that means no workflow.
    pub(super) fn problems(&self, definition: &Json) -> Result<Vec<Problem>, store::Error> {
        // Few documents name another one; the others need not be read again.
        if !definition.as_str().contains("orkflow\"") {
            return Ok(Vec::new());
        }
        let value = definition.to_value();
        let mut problems = Vec::new();
        for (path, name) in names(&value) {
            // One that names itself is started for others that fail, never for its own; and a node
            // may run its own workflow, to a depth.
            if value["name"] != name && !self.beside.iter().any(|known| known == name) {
                problems.extend(self.problem(&path, name)?);
            }
        }
        Ok(problems)
    }

    fn problem(&self, path: &str, name: &str) -> Result<Option<Problem>, store::Error> {
        let by_id = name.parse::<WorkflowId>().ok();
        if let Some(id) = by_id
            && workflow::head(self.read, id)?.is_some()
        {
            return Ok(None);
        }
        let caller = self.caller()?;
        Ok(match find_workflow(self.read, &caller, self.at, name) {
            Ok(_) => None,
            Err(store::Error::Ambiguous { candidates, .. }) => {
                let message = format!("several workflows are called `{name}`");
                let hint = format!("write one of {}", candidates.join(", "));
                Some(error(path, "AMBIGUOUS_WORKFLOW", message, Some(hint)))
            }
            Err(store::Error::NotFound { .. }) => {
                let message = format!("there is no workflow `{name}`");
                Some(error(path, "UNKNOWN_WORKFLOW", message, Some(self.hint(name)?)))
            }
            Err(other) => return Err(other),
        })
    }

    fn caller(&self) -> Result<Caller, store::Error> {
        let row = user::require(self.read, self.owner)?;
        Ok(Caller { user: row.id, name: row.name, role: row.role, uid: None, via: Via::Unix })
    }

    fn hint(&self, name: &str) -> Result<String, store::Error> {
        let query = workflow::Query { user: Some(self.owner), ..workflow::Query::default() };
        let own = workflow::list(self.read, &query, &Paging::first(NAMES))?.items;
        let names = own.iter().map(|one| one.name.as_str());
        Ok(match nearest(name, names.chain(self.beside.iter().map(String::as_str))) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "save that workflow first, or leave the name out".to_owned(),
        })
    }
}

/// Each name of another workflow, with its path. One that an expression gives is known when it runs.
fn names(value: &Value) -> impl Iterator<Item = (String, &str)> {
    let handler = value["settings"]["errorWorkflow"].as_str();
    let handler = handler.map(|name| ("settings.errorWorkflow".to_owned(), name));
    let nodes = value["nodes"].as_array().into_iter().flatten().enumerate();
    let called = nodes.filter_map(|(number, node)| {
        let kind = node["type"].as_str()?;
        let name = node["config"]["workflow"].as_str()?;
        let is_call = kind == "workflow" || kind.starts_with("workflow@");
        let is_known = is_call && !is_template(name);
        is_known.then(|| (format!("nodes[{number}].config.workflow"), name))
    });
    handler.into_iter().chain(called)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::testing::{World, a_workflow, at, user as user_id};

    #[track_caller]
    fn check(world: &World, owner: u64, name: &str, beside: &[String], expected: &[&str]) {
        let read = world.store.read().unwrap();
        let look = Look { read: &read, owner: user_id(owner), at: at(10), beside };
        let definition =
            Json::of(&json!({"name": "mine", "nodes": [], "settings": {"errorWorkflow": name}}));
        let told: Vec<String> = look
            .problems(&definition)
            .unwrap()
            .into_iter()
            .map(|p| {
                format!("{} {}: {} [{}]", p.path, p.code, p.message, p.hint.unwrap_or_default())
            })
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_name_that_means_no_workflow_is_told() {
        let world = World::new();
        world.write(1, |tx| {
            let alice = user::require(tx, user_id(1))?;
            let role = a2n_proto::identity::Role::User;
            let bob = a2n_proto::identity::User {
                id: user_id(2),
                name: "bob".into(),
                email: None,
                role,
                ..alice
            };
            user::put(tx, &bob)?;
            let his = a_workflow(2, "alarm");
            workflow::put(tx, &a2n_proto::workflow::Workflow { user_id: bob.id, ..his })
        });
        check(&world, 1, "report", &[], &[]);
        check(&world, 1, "mine", &[], &[]);
        check(&world, 1, "tell", &["tell".into()], &[]);
        // An OWNER sees everyone's, by its name or with whose it is.
        check(&world, 1, "alarm", &[], &[]);
        check(&world, 1, "bob/alarm", &[], &[]);
        check(&world, 2, "alarm", &[], &[]);
        let missing = |name: &str, hint: &str| {
            format!(
                "settings.errorWorkflow UNKNOWN_WORKFLOW: there is no workflow `{name}` [{hint}]"
            )
        };
        let save = "save that workflow first, or leave the name out";
        check(&world, 1, "reprot", &[], &[&missing("reprot", "did you mean `report`?")]);
        check(&world, 1, "", &[], &[&missing("", save)]);
        // What they may not see is not there.
        check(&world, 2, "report", &[], &[&missing("report", save)]);
        check(&world, 2, "alice/report", &[], &[&missing("alice/report", save)]);
    }

    #[test]
    fn a_node_that_runs_no_workflow_is_told_and_one_by_expression_is_not() {
        let world = World::new();
        let read = world.store.read().unwrap();
        let look = Look { read: &read, owner: user_id(1), at: at(10), beside: &[] };
        let node = |name: &str| json!({"type": "workflow", "config": {"workflow": name}});
        let own = crate::store::workflow::find_by_name(&read, user_id(1), "report").unwrap();
        let nodes = [
            node("report"),
            node("reprot"),
            node("mine"),
            node("{{ item.w }}"),
            node(&own.unwrap().to_string()),
            json!({"type": "set", "config": {"workflow": "x"}}),
        ];
        let definition = Json::of(&json!({"name": "mine", "nodes": nodes}));
        let problems = look.problems(&definition).unwrap();
        let told: Vec<_> = problems.iter().map(|p| (p.path.as_str(), p.code.as_str())).collect();
        assert_eq!(told, [("nodes[1].config.workflow", "UNKNOWN_WORKFLOW")]);
    }
}
