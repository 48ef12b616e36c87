//! Subscriptions on lines and WebSocket: the id, the items in order, and the end always last.

use std::sync::atomic::Ordering;

use a2n_proto::api::{Gap, Notice};
use serde_json::{Value, json};

use super::world::{LineClient, World, WsClient, code, notice};

enum Client {
    Lines(LineClient),
    WebSocket(WsClient),
}

impl Client {
    async fn both(world: &World) -> [Self; 2] {
        [Self::Lines(world.lines().await), Self::WebSocket(world.websocket().await)]
    }
    async fn call(&mut self, method: &str, params: Value) {
        let text = json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params});
        match self {
            Self::Lines(client) => client.send(&text.to_string()).await,
            Self::WebSocket(client) => client.send(text.to_string().as_bytes()).await,
        }
    }
    async fn receive(&mut self) -> Value {
        match self {
            Self::Lines(client) => client.receive().await.expect("a line"),
            Self::WebSocket(client) => client.receive().await.expect("a message"),
        }
    }
}

#[tokio::test]
async fn items_come_in_order_after_the_id_and_the_end_last() {
    let world = World::start();
    for mut client in Client::both(&world).await {
        client.call("test.subscribe", json!({"to": 200})).await;
        assert_eq!(client.receive().await["result"], 1);
        let mut seen = 0;
        loop {
            match notice(&client.receive().await) {
                Notice::Items { items, cursor } => {
                    seen += 1;
                    assert_eq!((items, cursor), (vec![seen], format!("c{seen}")));
                }
                other => {
                    assert_eq!(other, Notice::end("EXECUTION_ENDED"));
                    break;
                }
            }
        }
        assert_eq!(seen, 200);
        // The next one has the next number, and the connection is as good as new.
        client.call("test.subscribe", json!({"to": 1})).await;
        assert_eq!(client.receive().await["result"], 2);
    }
}

#[tokio::test]
async fn unsubscribing_ends_it_before_it_is_answered() {
    let world = World::start();
    for mut client in Client::both(&world).await {
        client.call("test.subscribe", json!({"to": 0})).await;
        let id = client.receive().await["result"].clone();
        // As jsonrpsee's client says it.
        client.call("test.unsubscribe", json!([id])).await;
        assert_eq!(notice(&client.receive().await), Notice::end("UNSUBSCRIBED"));
        assert_eq!(client.receive().await["result"], true);
        world.context.over.acquire().await.unwrap().forget();
        // As the contract says it; it is gone by now.
        client.call("test.unsubscribe", json!({"subscription": id})).await;
        assert_eq!(client.receive().await["result"], false);
        client.call("test.unsubscribe", json!({"subscription": id, "x": 1})).await;
        assert_eq!(code(&client.receive().await), -32602);
    }
}

#[tokio::test]
async fn a_refused_or_broken_subscription_says_so() {
    let world = World::start();
    for mut client in Client::both(&world).await {
        client.call("test.subscribe", json!({"to": 13})).await;
        let answer = client.receive().await;
        assert_eq!((code(&answer), &answer["error"]["data"]["path"]), (422, &json!("to")));
        client.call("test.subscribe", json!({"to": 666})).await;
        loop {
            let next = client.receive().await;
            if next["method"].is_string() && notice(&next) == Notice::end("INTERNAL") {
                break;
            }
        }
    }
    let (_, body) = world
        .http()
        .await
        .post(r#"{"jsonrpc":"2.0","id":1,"method":"test.subscribe","params":{"to":1}}"#)
        .await;
    assert_eq!(code(&serde_json::from_str(&body).unwrap()), 501);
}

/// A subscriber that was too slow, or comes back too late, is told what it missed and from where
/// it can go on; what comes after is in order.
#[tokio::test]
async fn what_was_left_out_is_said_in_its_place() {
    let world = World::start();
    for mut client in Client::both(&world).await {
        client.call("test.subscribe", json!({"to": 3, "missing": true})).await;
        client.receive().await;
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(notice(&client.receive().await));
        }
        let item = |n: u64| Notice::Items { items: vec![n], cursor: format!("c{n}") };
        let gap = Notice::Gap { gap: Gap { from: 1, to: 4 }, cursor: "c4".into() };
        let lagged = Notice::Lagged { lagged: 7, cursor: "c\"7".into() };
        let expect = [gap, lagged, item(1), item(2), item(3), Notice::end("EXECUTION_ENDED")];
        assert_eq!(seen, expect);
    }
}

#[tokio::test]
async fn a_subscription_that_nobody_could_name_is_not_opened() {
    let world = World::start();
    for mut client in Client::both(&world).await {
        let silent = r#"{"jsonrpc":"2.0","method":"test.subscribe","params":{"to":3}}"#;
        match &mut client {
            Client::Lines(client) => client.send(silent).await,
            Client::WebSocket(client) => client.send(silent.as_bytes()).await,
        }
        client.call("test.subscribe", json!({"to": 0})).await;
        assert_eq!(client.receive().await["result"], 1, "the first one that was opened");
    }
}

#[tokio::test]
async fn end_of_input_on_lines_ends_reading_only() {
    let world = World::start();
    let mut client = world.lines().await;
    client.send(r#"{"jsonrpc":"2.0","id":1,"method":"test.subscribe","params":{"to":0}}"#).await;
    client.send(r#"{"jsonrpc":"2.0","id":2,"method":"test.held"}"#).await;
    // A last line without its newline counts too.
    client.send_bytes(br#"{"jsonrpc":"2.0","id":3,"method":"get_data"}"#).await;
    world.context.begun.acquire().await.unwrap().forget();
    world.context.release.add_permits(1);
    let mut all = client.finish().await;
    assert_eq!(notice(&all.pop().unwrap()), Notice::end("INPUT_ENDED"));
    let mut ids: Vec<_> = all.iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3]);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_calls_and_subscriptions_along() {
    let world = World::start();
    let subscribe = r#"{"jsonrpc":"2.0","id":1,"method":"test.subscribe","params":{"to":0}}"#;
    let held = r#"{"jsonrpc":"2.0","id":2,"method":"test.held"}"#;
    let mut lines = world.lines().await;
    lines.ask(subscribe).await;
    lines.send(held).await;
    let mut websocket = world.websocket().await;
    websocket.ask(subscribe).await;
    websocket.send(held.as_bytes()).await;
    world.context.begun.acquire_many(2).await.unwrap().forget();
    drop((lines, websocket));
    world.context.over.acquire_many(2).await.unwrap().forget();
    world.context.left.acquire_many(2).await.unwrap().forget();
    assert_eq!(world.dispatcher.counts().n_in_flight(), 0);
    assert_eq!(world.context.sent.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn subscriptions_in_a_batch_start_after_its_answer() {
    let world = World::start();
    for mut client in Client::both(&world).await {
        let text = r#"[{"jsonrpc":"2.0","id":1,"method":"test.subscribe","params":{"to":1}},
            {"jsonrpc":"2.0","id":2,"method":"test.unsubscribe","params":[7]},
            {"jsonrpc":"2.0","id":3,"method":"test.unsubscribe","params":[1]}]"#
            .replace('\n', " ");
        match &mut client {
            Client::Lines(client) => client.send(&text).await,
            Client::WebSocket(client) => client.send(text.as_bytes()).await,
        }
        let answers = client.receive().await;
        assert_eq!(answers[0]["result"], 1);
        assert_eq!(answers[1]["result"], false);
        assert_eq!(answers[2]["result"], true);
        assert_eq!(notice(&client.receive().await), Notice::end("UNSUBSCRIBED"));
    }
}
