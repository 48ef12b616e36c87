//! The WebSocket way in, with jsonrpsee's own client: calls and subscriptions.

use a2n_tests::daemon::World;
use anyhow::Result;
use jsonrpsee::core::client::{Client, ClientT, Subscription, SubscriptionClientT};
use jsonrpsee::core::params::ObjectParams;
use serde_json::{Value, json};

async fn connect(world: &World) -> Result<Client> {
    use jsonrpsee::client_transport::ws::{Url, WsTransportClientBuilder};
    let stream = tokio::net::UnixStream::connect(world.socket()).await?;
    let (sender, receiver) = WsTransportClientBuilder::default()
        .build_with_stream(Url::parse("ws://a2n/")?, stream)
        .await?;
    Ok(jsonrpsee::core::client::ClientBuilder::default().build_with_tokio(sender, receiver))
}

fn params(value: &Value) -> ObjectParams {
    let mut params = ObjectParams::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        params.insert(name, value).expect("serialises");
    }
    params
}

#[test]
fn calls_and_a_subscription() -> Result<()> {
    let world = World::started()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let client = connect(&world).await?;
        let pong: Value = client.request("system.ping", params(&json!({}))).await?;
        assert_eq!(pong["pong"], true);
        let mut changes: Subscription<Value> = client
            .subscribe(
                "system.subscribe",
                params(&json!({"topics": ["workflow"]})),
                "system.unsubscribe",
            )
            .await?;
        let first = changes.next().await.expect("open")?;
        assert_eq!(first["items"], json!([]));
        assert!(first["cursor"].is_string(), "{first}");
        let definition = json!({"name": "ws", "nodes": [{"id": "a", "type": "noop"}]});
        let made: Value =
            client.request("workflow.create", params(&json!({"definition": definition}))).await?;
        let seen = changes.next().await.expect("open")?;
        assert_eq!(seen["items"][0]["entity"], "workflow", "{seen}");
        assert_eq!(seen["items"][0]["id"], made["id"]);
        assert_eq!(seen["items"][0]["change"], "CREATED");
        changes.unsubscribe().await?;
        let error = client
            .request::<Value, _>("workflow.get", params(&json!({"name": "none"})))
            .await
            .expect_err("refused");
        assert!(error.to_string().contains("none"), "{error}");
        Ok(())
    })
}
