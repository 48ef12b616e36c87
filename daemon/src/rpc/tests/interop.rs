//! jsonrpsee's own client against our WebSocket: calls, batches, errors, subscriptions.

use a2n_proto::api::Notice;
use jsonrpsee::client_transport::ws::{Url, WsTransportClientBuilder};
use jsonrpsee::core::client::{ClientBuilder, ClientT, Subscription, SubscriptionClientT};
use jsonrpsee::core::params::{BatchRequestBuilder, ObjectParams};
use jsonrpsee::rpc_params;
use serde_json::value::RawValue;

use super::world::World;

fn object(name: &str, value: impl serde::Serialize) -> ObjectParams {
    let mut params = ObjectParams::new();
    params.insert(name, value).unwrap();
    params
}

#[tokio::test]
async fn jsonrpsees_client_calls_and_subscribes() {
    let world = World::start();
    let stream = world.stream().await;
    let url = Url::parse("ws://a2n/").unwrap();
    let transport = WsTransportClientBuilder::default().build_with_stream(url, stream);
    let (sender, receiver) = transport.await.unwrap();
    let client = ClientBuilder::default().build_with_tokio(sender, receiver);

    let answer: String = client.request("test.echo", object("text", "hello")).await.unwrap();
    assert_eq!(answer, "hello");
    let long = "x".repeat(300_000);
    let answer: String = client.request("test.echo", object("text", &long)).await.unwrap();
    assert_eq!(answer, long);
    let error = client.request::<bool, _>("no.such", rpc_params![]).await.unwrap_err();
    assert!(error.to_string().contains("Method not found"), "{error}");

    let mut batch = BatchRequestBuilder::new();
    batch.insert("test.echo", object("text", "a")).unwrap();
    batch.insert("test.echo", object("text", "b")).unwrap();
    let answers = client.batch_request::<String>(batch).await.unwrap();
    assert_eq!(answers.into_ok().unwrap().collect::<Vec<_>>(), ["a", "b"]);

    let mut counted: Subscription<Box<RawValue>> =
        client.subscribe("test.subscribe", object("to", 3), "test.unsubscribe").await.unwrap();
    for n in 1..=4u64 {
        let note = counted.next().await.unwrap().unwrap();
        let note: Notice<u64> = serde_json::from_str(note.get()).unwrap();
        let expect = match n {
            4 => Notice::end("EXECUTION_ENDED"),
            n => Notice::Items { items: vec![n], cursor: format!("c{n}") },
        };
        assert_eq!(note, expect);
    }
    counted.unsubscribe().await.unwrap();

    let waiting: Subscription<Box<RawValue>> =
        client.subscribe("test.subscribe", object("to", 0), "test.unsubscribe").await.unwrap();
    waiting.unsubscribe().await.unwrap();
    world.context.over.acquire_many(2).await.unwrap().forget();
}
