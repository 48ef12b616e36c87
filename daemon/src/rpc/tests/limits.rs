//! Limits and identity: what is refused by name, and that a refusal is all that happens.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::world::{World, code, owner};
use crate::rpc::{Identity, Limits};

fn call(method: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}).to_string()
}

fn with(limits: Limits) -> World {
    World::with(limits, Identity::Account(owner()))
}

#[tokio::test]
async fn a_client_that_never_reads_is_dropped_and_nobody_else_notices() {
    let world = with(Limits { write_stall: Duration::from_millis(200), ..Limits::default() });
    let mut idle = world.lines().await;
    // Each answer has a megabyte; 200 of them can't all be kept for it.
    for _ in 0..100 {
        idle.send(&call("test.big")).await;
    }
    let mut websocket = world.websocket().await;
    let subscribe = json!({"jsonrpc": "2.0", "id": 1, "method": "test.subscribe",
        "params": {"to": 10_000_000}});
    websocket.send(subscribe.to_string().as_bytes()).await;
    world.others_are_served().await;
    // Its subscription is stopped by the full pipe, then ended with the connection.
    world.context.over.acquire().await.unwrap().forget();
    assert!(world.context.sent.load(Ordering::Relaxed) < 100_000);
    // What was answered into the pipe is still there; then it ends, since the server has dropped it.
    let _ = idle.stream.read_to_end(&mut Vec::new()).await;
    world.others_are_served().await;
}

#[tokio::test]
async fn calls_in_flight_are_limited_for_all_and_wait_for_one() {
    let world =
        with(Limits { max_in_flight: 3, max_in_flight_per_connection: 2, ..Limits::default() });
    let mut first = world.lines().await;
    for _ in 0..2 {
        first.send(&call("test.held")).await;
    }
    world.context.begun.acquire_many(2).await.unwrap().forget();
    // The third waits in the client's own buffer.
    first.send(&call("get_data")).await;
    let mut second = world.lines().await;
    second.send(&call("test.held")).await;
    world.context.begun.acquire().await.unwrap().forget();
    let answer = second.ask(&call("get_data")).await;
    assert_eq!(code(&answer), 503, "{answer}");
    assert_eq!(answer["error"]["data"]["retryAfterMs"], 100);
    world.context.release.add_permits(3);
    for _ in 0..3 {
        assert!(first.receive().await.unwrap()["result"] != Value::Null);
    }
}

#[tokio::test]
async fn pipelined_calls_beyond_the_limit_are_answered_one_after_the_other() {
    let world = with(Limits { max_in_flight_per_connection: 2, ..Limits::default() });
    let mut client = world.lines().await;
    // One large line first, so that the read buffer has room for all the others at once.
    client.ask(&format!("{}{}", call("get_data"), " ".repeat(200_000))).await;
    for _ in 0..50 {
        client.send(&call("test.held")).await;
    }
    world.context.release.add_permits(50);
    let answers = client.finish().await;
    assert_eq!(answers.len(), 50);
    assert!(answers.iter().all(|answer| answer["result"] == true), "{answers:?}");
}

#[tokio::test]
async fn connections_over_the_limit_are_told_so_in_their_protocol() {
    let world = with(Limits { max_connections_per_uid: 1, ..Limits::default() });
    let mut first = world.lines().await;
    assert_eq!(first.ask(&call("get_data")).await["result"], json!(["hello", 5]));
    let mut second = world.lines().await;
    assert_eq!(code(&second.ask(&call("get_data")).await), 503);
    assert_eq!(second.receive().await, None);
    let (status, body) = world.http().await.post(&call("get_data")).await;
    assert_eq!((status, code(&serde_json::from_str(&body).unwrap())), (503, 503));
    assert_eq!(first.ask(&call("get_data")).await["result"], json!(["hello", 5]));
}

#[tokio::test]
async fn subscriptions_answers_and_silence_are_limited() {
    let world = with(Limits {
        max_subscriptions_per_connection: 1,
        max_frame_out_bytes: 1000,
        first_byte_within: Duration::from_millis(50),
        ..Limits::default()
    });
    let silent = world.lines().await;
    let mut client = world.lines().await;
    let subscribe = r#"{"jsonrpc":"2.0","id":1,"method":"test.subscribe","params":{"to":0}}"#;
    assert_eq!(client.ask(subscribe).await["result"], 1);
    assert_eq!(code(&client.ask(subscribe).await), 503);
    let answer = client.ask(&call("test.big")).await;
    assert_eq!((code(&answer), &answer["id"]), (413, &json!(1)));
    let mut silent = silent;
    assert_eq!(silent.receive().await, None, "closed without a word");
}

#[tokio::test]
async fn who_has_no_account_gets_open_methods_only() {
    let world = World::with(Limits::default(), Identity::Unmapped);
    let mut client = world.lines().await;
    assert_eq!(code(&client.ask(&call("test.owners")).await), 401);
    assert_eq!(client.ask(&call("get_data")).await["result"], json!(["hello", 5]));
    let mut http = world.http().await;
    assert_eq!(http.get("/metrics").await.0, 403);
    assert_eq!(http.get("/healthz").await, (200, "HEALTHY\n".into()));
    assert_eq!(http.get("/openrpc.json").await.0, 200);
}

#[tokio::test]
async fn the_daemons_own_user_gets_the_health_pages_and_nothing_else() {
    let world = World::with(Limits::default(), Identity::Refused);
    assert_eq!(code(&world.lines().await.ask(&call("get_data")).await), 403);
    assert_eq!(code(&world.websocket().await.ask(&call("get_data")).await), 403);
    let mut http = world.http().await;
    assert_eq!(http.get("/metrics").await.0, 403);
    assert_eq!(http.get("/openrpc.json").await.0, 403);
    assert_eq!(http.get("/healthz").await.0, 200);
    assert_eq!(http.get("/readyz").await, (503, "starting\n".into()));
}

#[tokio::test]
async fn pages_answer_and_other_paths_say_what_there_is() {
    let world = World::start();
    let mut http = world.http().await;
    assert_eq!(http.get("/metrics").await, (200, "a2n_up 1\n".into()));
    assert_eq!(http.get("/openrpc.json").await.0, 200);
    assert_eq!(http.get("/nothing").await.0, 404);
    assert_eq!(http.get("/rpc").await.0, 405);
    let (status, body) = http.post(&call("test.owners")).await;
    assert_eq!((status, body.contains(r#""result":true"#)), (200, true));
}
