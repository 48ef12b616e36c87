//! Stopping in order: ends are said, calls in flight are answered, and there is a deadline.

use std::time::Duration;

use a2n_proto::api::Notice;

use super::world::{World, notice, owner};
use crate::rpc::{Identity, Limits};

const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"test.subscribe","params":{"to":0}}"#;
const HELD: &str = r#"{"jsonrpc":"2.0","id":2,"method":"test.held"}"#;

#[tokio::test]
async fn subscriptions_are_ended_and_calls_in_flight_answered() {
    let world = World::start();
    let mut lines = world.lines().await;
    lines.ask(SUBSCRIBE).await;
    lines.send(HELD).await;
    let mut websocket = world.websocket().await;
    websocket.ask(SUBSCRIBE).await;
    websocket.send(HELD.as_bytes()).await;
    let mut http = world.http().await;
    let posted = tokio::spawn(async move { http.post(HELD).await });
    let mut idle = world.lines().await;
    idle.ask(r#"{"jsonrpc":"2.0","id":1,"method":"get_data"}"#).await;
    world.context.begun.acquire_many(3).await.unwrap().forget();
    world.stop.cancel();
    assert_eq!(notice(&lines.receive().await.unwrap()), Notice::end("SHUTTING_DOWN"));
    assert_eq!(notice(&websocket.receive().await.unwrap()), Notice::end("SHUTTING_DOWN"));
    assert_eq!(idle.receive().await, None);
    world.context.release.add_permits(3);
    assert_eq!(lines.receive().await.unwrap()["result"], true);
    assert_eq!(lines.receive().await, None);
    assert_eq!(websocket.receive().await.unwrap()["result"], true);
    assert_eq!(websocket.receive().await, Err(1001));
    assert_eq!(posted.await.unwrap().0, 200);
    world.server.await.unwrap();
    assert!(!world.path.exists());
}

#[tokio::test]
async fn what_does_not_end_is_cut_at_the_deadline() {
    let limits = Limits { stop_grace: Duration::from_millis(20), ..Limits::default() };
    let world = World::with(limits, Identity::Account(owner()));
    let mut lines = world.lines().await;
    lines.send(HELD).await;
    let mut websocket = world.websocket().await;
    websocket.send(HELD.as_bytes()).await;
    let mut http = world.http().await;
    let posted = tokio::spawn(async move {
        http.post(HELD).await;
    });
    world.context.begun.acquire_many(3).await.unwrap().forget();
    world.stop.cancel();
    world.server.await.unwrap();
    assert_eq!(lines.receive().await, None);
    assert_eq!(websocket.receive().await, Err(0));
    assert!(posted.await.is_err(), "no answer to read");
}
