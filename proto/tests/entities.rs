//! Every entity through both of its forms: JSON for people and bincode for the store. The samples
//! are drawn from the types' own JSON Schemas, so a new member or entity is covered by being there.

#![expect(clippy::unwrap_used, reason = "a failing test is the way to say it")]

use a2n_proto::secret_mask::MASK;
use a2n_proto::{Entity, Json, entity, for_each_entity, json};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

/// What a drawn sample has in it.
#[derive(Debug, Clone, Copy)]
enum Sample {
    /// Options absent, lists empty, first of each enum.
    Empty,
    /// Options there, lists with one member, the n-th of each enum.
    Filled(usize),
}

struct Draw<'d> {
    definitions: &'d Map<String, Value>,
    sample: Sample,
}

impl Draw<'_> {
    fn value(&self, schema: &Value) -> Value {
        let Some(schema) = schema.as_object() else {
            return match self.sample {
                Sample::Empty => Value::Null,
                Sample::Filled(_) => json!({"z": 1.5, "a": ["é\n\"", 1, null]}),
            };
        };
        if let Some(to) = schema.get("$ref").and_then(Value::as_str) {
            return self.value(&self.definitions[to.rsplit('/').next().unwrap()]);
        }
        if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
            return self.option(any.iter().find(|one| one["type"] != "null").unwrap());
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(all) = schema.get("oneOf").or(schema.get("enum")).and_then(Value::as_array) {
            let at = match self.sample {
                Sample::Empty => 0,
                Sample::Filled(n) => n % all.len(),
            };
            let one = &all[at];
            return if one.is_object() { self.value(one) } else { one.clone() };
        }
        match schema.get("type") {
            Some(Value::Array(types)) => {
                let mut plain = schema.clone();
                plain.insert("type".into(), types[0].clone());
                self.option(&Value::Object(plain))
            }
            Some(kind) => self.plain(kind.as_str().unwrap(), schema),
            None => self.value(&Value::Bool(true)),
        }
    }

    fn option(&self, schema: &Value) -> Value {
        match self.sample {
            Sample::Empty => Value::Null,
            Sample::Filled(_) => self.value(schema),
        }
    }

    fn plain(&self, kind: &str, schema: &Map<String, Value>) -> Value {
        let filled = matches!(self.sample, Sample::Filled(_));
        match (kind, schema.get("format").and_then(Value::as_str)) {
            ("string", Some("uuid")) => json!("0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"),
            ("string", Some("date-time")) => json!("2026-11-22T12:00:00.123Z"),
            ("string", _) => json!(if filled { "text é\u{7}\"" } else { "" }),
            ("boolean", _) => json!(filled),
            ("integer", _) => json!(if filled { 5 } else { 1 }),
            ("number", _) => json!(if filled { 0.1 } else { 0.0 }),
            ("array", _) if filled => json!([self.value(&schema["items"])]),
            ("array", _) => json!([]),
            ("object", _) => {
                let members = schema.get("properties").and_then(Value::as_object);
                let members = members.into_iter().flatten();
                members.map(|(name, schema)| (name.clone(), self.value(schema))).collect()
            }
            _ => panic!("no sample for {schema:?}"),
        }
    }
}

fn schema<E: Entity>() -> (Value, Map<String, Value>) {
    let mut generator = SchemaGenerator::default();
    let schema = generator.subschema_for::<E>().to_value();
    (schema, generator.take_definitions(true))
}

fn samples<E: Entity>() -> Vec<E> {
    let (schema, definitions) = schema::<E>();
    let kinds = (0..12).map(Sample::Filled).chain([Sample::Empty]);
    kinds
        .map(|sample| {
            let value = Draw { definitions: &definitions, sample }.value(&schema);
            let text = value.to_string();
            json::read(&text).unwrap_or_else(|unfit| {
                panic!("{} {sample:?}: {}: {unfit}\n{text}", E::NAME, unfit.path)
            })
        })
        .collect()
}

fn goes_through_the_store_whole<E: Entity + PartialEq>() {
    for entity in samples::<E>() {
        let config = bincode::config::standard();
        let stored = bincode::serde::encode_to_vec(&entity, config).unwrap();
        let (read, size): (E, usize) = bincode::serde::decode_from_slice(&stored, config).unwrap();
        assert_eq!(size, stored.len(), "{}", E::NAME);
        assert!(read == entity, "{}: {read:?} instead of {entity:?}", E::NAME);
    }
}

fn goes_through_json_but_for_its_secrets<E: Entity>() {
    for entity in samples::<E>() {
        let text = serde_json::to_string(&entity).unwrap();
        let mut read: E = json::read(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        read.keep_secrets(&entity);
        let config = bincode::config::standard();
        assert_eq!(
            bincode::serde::encode_to_vec(&read, config).unwrap(),
            bincode::serde::encode_to_vec(&entity, config).unwrap(),
            "{}: a secret is missing in keep_secrets",
            E::NAME
        );
    }
}

fn has_a_schema_that_fits<E: Entity>() {
    let (schema, definitions) = schema::<E>();
    let own = &definitions[schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap()];
    let described = own["properties"].as_object().unwrap();
    let members = a2n_proto::merge_patch::members(&Json::of(&samples::<E>()[0])).unwrap();
    let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(described.keys().map(String::as_str).collect::<Vec<_>>(), names);
    for (name, member) in described {
        let documented = member.get("description").is_some();
        assert!(documented, "{}.{name} has no sentence", E::NAME);
    }
    for name in E::EDITABLE {
        assert!(names.contains(name), "{} has no `{name}` to edit", E::NAME);
    }
    for never in ["id", "revision", "createdAt", "updatedAt", "userId"] {
        assert!(!E::EDITABLE.contains(&never), "{}.{never} is not for editing", E::NAME);
    }
}

fn an_empty_patch_changes_nothing<E: Entity + PartialEq>() {
    for entity in samples::<E>() {
        assert!(a2n_proto::merge_patch::apply(&entity, &Json::object()).unwrap() == entity);
        let whole = Json::of(&entity);
        assert!(a2n_proto::merge_patch::apply(&entity, &whole).unwrap() == entity);
    }
}

macro_rules! check_all {
    ($($entity:path)*) => {$(
        goes_through_the_store_whole::<$entity>();
        goes_through_json_but_for_its_secrets::<$entity>();
        has_a_schema_that_fits::<$entity>();
        an_empty_patch_changes_nothing::<$entity>();
    )*};
}

#[test]
fn every_entity_keeps_its_word() {
    for_each_entity!(check_all);
}

#[test]
fn there_are_thirty_three_each_once() {
    let mut names = entity::NAMES.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 33);
}

#[test]
fn no_secret_is_in_what_a_client_reads() {
    let user = &samples::<a2n_proto::identity::User>()[0];
    let text = serde_json::to_string(user).unwrap();
    assert!(text.contains(&format!("\"password\":\"{MASK}\"")), "{text}");
    assert!(text.contains(&format!("\"twoFactorSecret\":\"{MASK}\"")), "{text}");
    assert!(format!("{user:?}").contains("password: Some(***)"), "{user:?}");
}

/// The enum texts of the contract, by the place they stand in.
const ENUMS: &[(&str, &str)] = &[
    ("user.role", "USER ADMIN OWNER"),
    ("user.status", "ACTIVE INACTIVE SUSPENDED DELETED"),
    ("verification.purpose", "EMAIL PASSWORD_RESET TWO_FACTOR INVITATION"),
    ("workflow.visibility", "PRIVATE SHARED PUBLIC TEMPLATE"),
    ("workflow.settings.concurrency.policy", "ALLOW QUEUE REJECT REPLACE"),
    ("workflow.settings.retryPolicy.backoffType", "FIXED EXPONENTIAL LINEAR"),
    ("workflowTrigger.type", "MANUAL WEBHOOK SCHEDULE EVENT"),
    ("workflowShare.permission", "VIEW EDIT EXECUTE ADMIN"),
    ("execution.status", "PENDING RUNNING SUCCESS FAILED CANCELLED PAUSED"),
    ("execution.pausedReason", "USER WAITING IN_DOUBT QUARANTINED"),
    ("executionNodeState.status", "PENDING RUNNING SUCCESS FAILED SKIPPED CANCELLED"),
    ("executionNodeState.waiting.kind", "TIMER EVENT WEBHOOK APPROVAL LIMIT IN_DOUBT"),
    ("executionLog.level", "DEBUG INFO WARN ERROR FATAL"),
    ("executionLog.source", "SYSTEM USER NODE TRIGGER"),
    ("executionLog.stream", "STDOUT STDERR"),
    ("executionLog.category", "ERROR PERFORMANCE SECURITY BUSINESS"),
    ("executionMetrics.metricType", "COUNTER GAUGE HISTOGRAM TIMER"),
    ("executionSchedule.status", "PENDING RUNNING COMPLETED FAILED CANCELLED"),
    ("executionSchedule.outcome", "FIRED SKIPPED COALESCED MISSED REFUSED"),
    (
        "nodeDefinition.type",
        "TRIGGER ACTION CONDITION LOOP DELAY WEBHOOK HTTP_REQUEST EMAIL DATABASE FILE CUSTOM",
    ),
    ("nodeDefinition.executionMode", "SYNC ASYNC STREAM"),
    ("nodeDefinition.retryPolicy.backoffType", "FIXED EXPONENTIAL LINEAR"),
    ("credential.type", "OAUTH API_KEY BASIC_AUTH TOKEN CERTIFICATE SSH_KEY"),
    ("credential.validationStatus", "VALID INVALID EXPIRED UNKNOWN"),
    ("credentialShare.permission", "READ USE ADMIN"),
    ("credentialUsageLog.action", "CREATED USED VALIDATED UPDATED DELETED SHARED REVEALED ROTATED"),
    ("credentialUsageLog.status", "SUCCESS FAILURE ERROR"),
    ("credentialValidation.status", "VALID INVALID EXPIRED ERROR"),
    ("credentialValidation.validationMethod", "AUTO MANUAL"),
    ("appSetting.dataType", "STRING NUMBER BOOLEAN JSON ARRAY"),
    ("healthCheck.status", "HEALTHY DEGRADED UNHEALTHY UNKNOWN"),
    ("schemaMigration.status", "PENDING RUNNING SUCCESS FAILED ROLLED_BACK"),
    ("systemLog.category", "STARTUP SHUTDOWN ERROR PERFORMANCE SECURITY"),
    ("systemNotification.type", "EMAIL WEBHOOK SLACK DISCORD SMS"),
    ("systemNotification.priority", "LOW NORMAL HIGH CRITICAL"),
];

fn texts(schema: &Value, definitions: &Map<String, Value>, path: &[&str]) -> Vec<String> {
    if let Some(to) = schema.get("$ref").and_then(Value::as_str) {
        return texts(&definitions[to.rsplit('/').next().unwrap()], definitions, path);
    }
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        let there = any.iter().find(|one| one["type"] != "null").unwrap();
        return texts(there, definitions, path);
    }
    if let [member, rest @ ..] = path {
        return texts(&schema["properties"][*member], definitions, rest);
    }
    let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let consts = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let consts = consts.flat_map(|one| match one.get("const") {
        Some(value) => vec![value],
        None => one["enum"].as_array().into_iter().flatten().collect(),
    });
    values.chain(consts).map(|text| text.as_str().unwrap().to_owned()).collect()
}

macro_rules! check_enums {
    ($($entity:path)*) => {
        for (place, expect) in ENUMS {
            let (name, path) = place.split_once('.').unwrap();
            assert!(entity::NAMES.contains(&name), "{name}");
            let path: Vec<_> = path.split('.').collect();
            $(if name == <$entity>::NAME {
                let (schema, definitions) = schema::<$entity>();
                let mut found = texts(&schema, &definitions, &path);
                let mut expect: Vec<_> = expect.split(' ').collect();
                found.sort_unstable();
                expect.sort_unstable();
                assert_eq!(found, expect, "{place}");
            })*
        }
    };
}

#[test]
fn enum_texts_are_those_of_the_contract() {
    for_each_entity!(check_enums);
}
