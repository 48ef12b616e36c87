//! The examples of the JSON-RPC specification, and our own cases, on each of the three ways in.

use serde_json::{Value, json};

use super::world::World;

#[derive(serde::Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    request_text: String,
    #[serde(default)]
    response: Option<Value>,
    error_code: Option<i64>,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/json-rpc/examples.json");
    let file: File = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(file.cases.len() >= 27);
    file.cases
}

/// Compares one answer (none, one object, or a batch in any order) with what a case expects.
fn check(way: &str, case: &Case, answer: Option<Value>) {
    let name = format!("{way}, {}: {answer:?}", case.name);
    match (&case.error_code, &case.response) {
        (Some(code), _) => assert_eq!(answer.expect(&name)["error"]["code"], *code, "{name}"),
        (None, None) => assert_eq!(answer, None, "{name}"),
        (None, Some(Value::Array(expected))) => {
            let mut answers = answer.expect(&name).as_array().expect(&name).clone();
            assert_eq!(answers.len(), expected.len(), "{name}");
            for expect in expected {
                let found = answers.iter().position(|answer| is_like(answer, expect));
                answers.remove(found.unwrap_or_else(|| panic!("{name}: no {expect}")));
            }
        }
        (None, Some(expect)) => assert!(is_like(&answer.expect(&name), expect), "{name}"),
    }
}

/// Equal, besides the `data` that our errors carry.
fn is_like(answer: &Value, expect: &Value) -> bool {
    let mut answer = answer.clone();
    if let Some(error) = answer.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("data");
    }
    answer == *expect
}

#[tokio::test]
async fn lines_answer_as_the_specification_says() {
    let world = World::start();
    for case in cases() {
        let mut client = world.lines().await;
        client.send(&case.request_text.replace('\n', " ")).await;
        let mut answers = client.finish().await;
        assert!(answers.len() < 2, "{}: {answers:?}", case.name);
        check("lines", &case, answers.pop());
    }
}

#[tokio::test]
async fn http_answers_as_the_specification_says() {
    let world = World::start();
    let mut client = world.http().await;
    for case in cases() {
        let (status, body) = client.post(&case.request_text).await;
        assert_eq!(status, if body.is_empty() { 204 } else { 200 });
        let answer = (!body.is_empty()).then(|| serde_json::from_str(&body).unwrap());
        check("http", &case, answer);
    }
}

#[tokio::test]
async fn websocket_answers_as_the_specification_says() {
    let world = World::start();
    let mut client = world.websocket().await;
    for case in cases() {
        client.send(case.request_text.as_bytes()).await;
        // Calls are begun in order and these bodies are ready at once: an answer to the case would
        // come before the answer to this.
        let sentinel = json!({"jsonrpc": "2.0", "id": "sentinel", "method": "get_data"});
        client.send(sentinel.to_string().as_bytes()).await;
        let mut answer = None;
        loop {
            let next = client.receive().await.unwrap();
            if next["id"] == "sentinel" {
                break;
            }
            assert_eq!(answer.replace(next), None, "{}", case.name);
        }
        if answer.is_none() && (case.response.is_some() || case.error_code.is_some()) {
            answer = client.receive().await.ok();
        }
        check("websocket", &case, answer);
    }
}
