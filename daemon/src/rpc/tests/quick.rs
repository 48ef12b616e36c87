//! Clients that ask again as soon as they are answered, and what they turn to next.

use std::time::Duration;

use a2n_proto::api::Notice;
use serde_json::Value;

use super::world::{LineClient, World, notice, owner};
use crate::rpc::dialogue::{AFTER, MOST};
use crate::rpc::{Identity, Limits};

const WHERE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"test.thread"}"#;
const OWN: &str = "dialogue";

/// Asks until a thread of its own answers, or until it should have.
async fn quickly(client: &mut LineClient) -> Value {
    let mut thread = Value::Null;
    for _ in 0..AFTER * 4 {
        thread = client.ask(WHERE).await["result"].clone();
        if thread == OWN {
            break;
        }
    }
    thread
}

#[tokio::test]
async fn who_asks_quickly_gets_a_thread_and_goes_back_for_whatever_takes_longer() {
    let world = World::start();
    let mut client = world.lines().await;
    assert_ne!(client.ask(WHERE).await["result"], OWN);
    assert_eq!(quickly(&mut client).await, OWN);
    // Several at once.
    client.send(&[WHERE; 5].join("\n")).await;
    for _ in 0..5 {
        assert!(client.receive().await.unwrap()["result"].is_string());
    }
    // A call that waits.
    quickly(&mut client).await;
    client.send(r#"{"jsonrpc":"2.0","id":2,"method":"test.held"}"#).await;
    world.context.begun.acquire().await.unwrap().forget();
    assert_ne!(client.ask(WHERE).await["result"], OWN);
    world.context.release.add_permits(1);
    assert_eq!(client.receive().await.unwrap()["id"], 2);
    // A message in two parts.
    assert_eq!(quickly(&mut client).await, OWN);
    let (first, second) = WHERE.split_at(20);
    client.send_bytes(first.as_bytes()).await;
    client.send(second).await;
    assert!(client.receive().await.unwrap()["result"].is_string());
    // A subscription.
    quickly(&mut client).await;
    let id = client
        .ask(r#"{"jsonrpc":"2.0","id":3,"method":"test.subscribe","params":{"to":2}}"#)
        .await["result"]
        .clone();
    assert!(id.is_number());
    for n in 1..=2 {
        assert_eq!(client.receive().await.unwrap()["params"]["result"]["items"][0], n);
    }
    assert_eq!(notice(&client.receive().await.unwrap()), Notice::end("EXECUTION_ENDED"));
    // The end of its input.
    assert_eq!(quickly(&mut client).await, OWN);
    assert!(client.finish().await.is_empty());
    world.others_are_served().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_asks_on_and_on() {
    let world = World::start();
    let mut client = world.lines().await;
    quickly(&mut client).await;
    let asking = tokio::spawn(async move {
        loop {
            client.send(WHERE).await;
            if client.receive().await.is_none() {
                break;
            }
        }
    });
    world.stop.cancel();
    world.server.await.unwrap();
    // A write that comes after the end is refused, which ends the client's task too.
    let _ = asking.await;
}

#[tokio::test]
async fn half_a_message_after_quick_ones_is_cut_as_ever() {
    let limits = Limits { message_within: Duration::from_millis(50), ..Limits::default() };
    let world = World::with(limits, Identity::Account(owner()));
    let mut client = world.lines().await;
    quickly(&mut client).await;
    client.send_bytes(b"{\"jsonrpc\"").await;
    let error = client.receive().await.unwrap();
    assert_eq!(error["error"]["data"]["kind"], "PARSE", "{error}");
    assert_eq!(client.receive().await, None);
}

#[tokio::test]
async fn more_quick_clients_than_threads_are_served_all_the_same() {
    let world = World::start();
    let mut clients = Vec::new();
    for _ in 0..MOST + 3 {
        let mut client = world.lines().await;
        let asked = tokio::spawn(async move {
            for _ in 0..AFTER * 3 {
                assert!(client.ask(WHERE).await["result"].is_string());
            }
            client
        });
        clients.push(asked);
    }
    for client in clients {
        assert!(client.await.unwrap().finish().await.is_empty());
    }
    world.others_are_served().await;
}
