//! Every method of the socket, in the order of the contract. The one place to add one.

use super::MethodInfo as M;
use super::{
    account, app_setting, audit_log, auth, event, execution, execution_log, execution_metrics,
    execution_node_state, execution_schedule, node_definition, rpc, system, system_log, user,
    workflow, workflow_trigger, workflow_version,
};

static ALL: &[M] = &[
    M::of::<workflow::List>(),
    M::of::<workflow::Get>(),
    M::of::<workflow::Create>(),
    M::of::<workflow::Update>(),
    M::of::<workflow::Delete>(),
    M::of::<workflow::Validate>(),
    M::of::<workflow::Run>(),
    M::of::<workflow::Plan>(),
    M::of::<workflow::TestNode>(),
    M::of::<workflow::Publish>(),
    M::of::<workflow::Unpublish>(),
    M::of::<workflow::Rollback>(),
    M::of::<workflow::Diff>(),
    M::of::<workflow::Duplicate>(),
    M::of::<workflow::Archive>(),
    M::of::<workflow::Export>(),
    M::of::<workflow::Apply>(),
    M::of::<workflow::Layout>(),
    M::of::<workflow_trigger::List>(),
    M::of::<workflow_trigger::Get>(),
    M::of::<workflow_trigger::Create>(),
    M::of::<workflow_trigger::Update>(),
    M::of::<workflow_trigger::Delete>(),
    M::of::<workflow_trigger::Fire>(),
    M::of::<workflow_trigger::Next>(),
    M::of::<workflow_version::List>(),
    M::of::<workflow_version::Get>(),
    M::of::<event::Emit>(),
    M::of::<event::List>(),
    M::of::<event::Get>(),
    M::of::<execution::List>(),
    M::of::<execution::Get>(),
    M::of::<execution::Wait>(),
    M::of::<execution::Cancel>(),
    M::of::<execution::Pause>(),
    M::of::<execution::Resume>(),
    M::of::<execution::Answer>(),
    M::of::<execution::Retry>(),
    M::of::<execution::Approve>(),
    M::of::<execution::Approvals>(),
    M::of::<execution::Tree>(),
    M::of::<execution::Stats>(),
    M::of::<execution_log::Query>(),
    M::of::<execution_log::Subscribe>(),
    M::of::<execution_log::Unsubscribe>(),
    M::of::<execution_metrics::Query>(),
    M::of::<execution_node_state::List>(),
    M::of::<execution_node_state::Get>(),
    M::of::<execution_schedule::Upcoming>(),
    M::of::<execution_schedule::Preview>(),
    M::of::<node_definition::List>(),
    M::of::<node_definition::Get>(),
    M::of::<system::Ping>(),
    M::of::<system::Info>(),
    M::of::<system::Health>(),
    M::of::<system::Metrics>(),
    M::of::<system::Stats>(),
    M::of::<system::LeaveSafeMode>(),
    M::of::<system::Subscribe>(),
    M::of::<system::Unsubscribe>(),
    M::of::<system::Verify>(),
    M::of::<auth::Whoami>(),
    M::of::<auth::Link>(),
    M::of::<auth::Unlink>(),
    M::of::<user::List>(),
    M::of::<user::Get>(),
    M::of::<user::Create>(),
    M::of::<user::Update>(),
    M::of::<user::Delete>(),
    M::of::<account::List>(),
    M::of::<audit_log::List>(),
    M::of::<audit_log::Verify>(),
    M::of::<system_log::Query>(),
    M::of::<app_setting::List>(),
    M::of::<app_setting::Get>(),
    M::of::<app_setting::Set>(),
    M::of::<app_setting::Reset>(),
    M::of::<rpc::Discover>(),
];

/// Every method of the socket.
pub fn all() -> &'static [M] {
    ALL
}

/// The method of this name.
pub fn find(name: &str) -> Option<&'static M> {
    ALL.iter().find(|method| method.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::Kind;

    #[test]
    fn every_name_stands_once_and_is_entity_dot_verb() {
        let names: BTreeSet<_> = all().iter().map(|method| method.name).collect();
        assert_eq!(names.len(), all().len());
        for name in names {
            let (entity, verb) = name.split_once('.').unwrap();
            for word in [entity, verb] {
                assert!(word.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
                assert!(word.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
            }
        }
    }

    #[test]
    fn every_example_fits_its_own_params() {
        for method in all() {
            (method.check_params)((method.example)().as_str())
                .unwrap_or_else(|error| panic!("{}: {error:?}", method.name));
        }
    }

    #[test]
    fn every_summary_is_one_sentence() {
        for method in all() {
            let text = method.summary;
            assert!(text.ends_with('.') && !text.contains(". ") && text.len() < 120, "{text}");
            assert!(text.starts_with(|c: char| c.is_uppercase()), "{text}");
        }
    }

    #[test]
    fn every_params_schema_refuses_unknown_members_and_writes_take_a_key() {
        for method in all() {
            let mut generator = schemars::SchemaGenerator::default();
            let schema = (method.params_schema)(&mut generator);
            (method.answer_schema)(&mut generator);
            let definitions = serde_json::Value::Object(generator.take_definitions(false));
            let name = schema.get("$ref").and_then(|to| to.as_str()).unwrap();
            let params = &definitions[name.rsplit('/').next().unwrap()];
            assert_eq!(params["additionalProperties"], false, "{}", method.name);
            let keyed = params["properties"].get("idempotencyKey").is_some();
            assert_eq!(keyed, method.writes(), "{}", method.name);
        }
    }

    #[test]
    fn every_schema_has_a_name_of_its_own() {
        let mut generator = schemars::SchemaGenerator::default();
        for method in all() {
            (method.params_schema)(&mut generator);
            (method.answer_schema)(&mut generator);
        }
        let definitions = generator.take_definitions(false);
        for name in definitions.keys() {
            // A second type of the same name would get a number.
            let first = name.trim_end_matches(|c: char| c.is_ascii_digit());
            assert!(first == name || !definitions.contains_key(first), "{name}");
        }
    }

    #[test]
    fn every_subscription_has_its_end_in_the_list() {
        for method in all() {
            if let Kind::Subscribe { unsubscribe, notification, .. } = method.kind {
                let end = find(unsubscribe).unwrap();
                assert!(matches!(end.kind, Kind::Unsubscribe));
                assert_eq!(end.access, method.access);
                assert!(notification.starts_with(method.namespace()));
            }
        }
    }
}
