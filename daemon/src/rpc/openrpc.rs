//! The OpenRPC document, made from the contract's list of methods: what `rpc.discover` and
//! `/openrpc.json` answer. Nothing in it is written by hand, so it can't be out of date.

use std::sync::LazyLock;

use a2n_proto::api::{self, Access, Kind, MethodInfo};
use a2n_proto::{ErrorKind, Json};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The whole contract as an OpenRPC 1.3 document. Made when it is first asked for: most daemons
/// never are, and it would be most of the work of a start.
pub fn document() -> Json {
    static DOCUMENT: LazyLock<Json> = LazyLock::new(|| document_of(api::all()).into());
    DOCUMENT.clone()
}

pub(crate) fn document_of(methods: &[MethodInfo]) -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut schemas = SchemaGenerator::new(settings);
    let methods: Vec<Value> = methods.iter().map(|one| method(one, &mut schemas)).collect();
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "A2N",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One Unix socket; lines, HTTP POST and WebSocket. `params` is one object.",
            "x-protocol": a2n_proto::PROTOCOL,
        },
        "methods": methods,
        "components": {"schemas": schemas.take_definitions(true)},
    })
}

fn method(method: &MethodInfo, schemas: &mut SchemaGenerator) -> Value {
    let params = (method.params_schema)(schemas).to_value();
    let params = members(resolve(&params, schemas));
    let result = (method.answer_schema)(schemas).to_value();
    let example = (method.example)().to_value();
    let mut example = json!({
        "name": "example",
        "params": example.as_object().into_iter().flatten()
            .map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>(),
    });
    if let Some(answer) = (method.example_answer)() {
        example["result"] = json!({"name": "result", "value": answer});
    }
    let mut whole = json!({
        "name": method.name,
        "summary": method.summary,
        "tags": [{"name": method.namespace()}],
        "paramStructure": "by-name",
        "params": params,
        "result": {"name": "result", "schema": result},
        "errors": errors(method).into_iter()
            .map(|kind| json!({"code": kind.code(), "message": kind.as_str()})).collect::<Vec<_>>(),
        "examples": [example],
        "x-access": access(method.access),
    });
    if let Kind::Subscribe { notification, unsubscribe, notice_schema } = method.kind {
        whole["x-notification"] = json!({
            "method": notification,
            "result": notice_schema(schemas).to_value(),
            "unsubscribe": unsubscribe,
        });
    }
    whole
}

/// What a caller needs, in words.
pub(crate) fn access(access: Access) -> String {
    match access {
        Access::Open => "nothing".into(),
        Access::Account => "an account".into(),
        Access::Role(role) => format!("the role {}", role.as_str()),
        Access::Workflow(permission) => {
            let name = serde_json::to_value(permission).unwrap_or_default();
            format!("the workflow's permission {}", name.as_str().unwrap_or_default())
        }
    }
}

/// Which errors a method may answer, from what the contract says of it.
pub(crate) fn errors(method: &MethodInfo) -> Vec<ErrorKind> {
    use ErrorKind as E;
    let mut kinds = vec![E::Params, E::TooLarge, E::Internal, E::Overloaded];
    match method.access {
        Access::Open => {}
        Access::Account => kinds.extend([E::Unauthenticated, E::NotFound]),
        Access::Role(_) => kinds.extend([E::Unauthenticated, E::Forbidden, E::NotFound]),
        Access::Workflow(_) => kinds.extend([E::Unauthenticated, E::Forbidden, E::NotFound]),
    }
    match method.kind {
        Kind::Read => kinds.push(E::Invalid),
        Kind::Write => {
            kinds.extend([E::Conflict, E::Precondition, E::Invalid, E::Unsupported, E::Storage]);
        }
        Kind::Subscribe { .. } | Kind::Unsubscribe => kinds.push(E::Unsupported),
    }
    ErrorKind::ALL.iter().copied().filter(|kind| kinds.contains(kind)).collect()
}

/// Follows a schema's reference into the definitions.
fn resolve<'a>(schema: &'a Value, schemas: &'a SchemaGenerator) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    // References escape `~` and `/`; our type names have neither.
    name.and_then(|name| schemas.definitions().get(name)).unwrap_or(schema)
}

/// An object schema's members as OpenRPC's content descriptors.
fn members(schema: &Value) -> Vec<Value> {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let nothing = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&nothing);
    let mut members = Vec::new();
    for (name, schema) in properties {
        let mut member = json!({
            "name": name,
            "required": required.contains(&name.as_str()),
            "schema": schema,
        });
        if let Some(description) = schema.get("description") {
            member["description"] = description.clone();
        }
        members.push(member);
    }
    members
}
