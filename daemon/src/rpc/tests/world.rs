//! A server with test methods in a folder of its own, and one client per way in.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use a2n_proto::api::auth::Via;
use a2n_proto::api::{Access, Kind, Method, Nothing, Notice, Subscription, SubscriptionId};
use a2n_proto::identity::Role;
use a2n_proto::{ErrorKind, Json, RpcError, UserId};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use soketto::Parsing;
use soketto::base::{Codec, OpCode};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::rpc::{Dispatcher, Ended, Identify, Identity, Limits, Pages, Probe, Registry, Server};
use crate::store::Caller;
use crate::system::listen::Socket;

/// A running server.
pub(super) struct World {
    pub(super) path: PathBuf,
    pub(super) stop: CancellationToken,
    pub(super) context: Arc<Context>,
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) server: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// What the test bodies share.
#[derive(Debug)]
pub(super) struct Context {
    /// `test.held` takes one to answer.
    pub(super) release: Semaphore,
    /// `test.held` adds one when it has begun.
    pub(super) begun: Semaphore,
    /// How many items `test.subscribe` has sent.
    pub(super) sent: AtomicU64,
    /// How many bodies of `test.subscribe` were dropped or ended.
    pub(super) over: Semaphore,
    /// How many bodies of `test.held` were dropped or ended.
    pub(super) left: Semaphore,
}

impl World {
    pub(super) fn start() -> Self {
        Self::with(Limits::default(), Identity::Account(owner()))
    }

    pub(super) fn with(limits: Limits, identity: Identity) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a2nd.sock");
        let context = Arc::new(Context {
            release: Semaphore::new(0),
            begun: Semaphore::new(0),
            sent: AtomicU64::new(0),
            over: Semaphore::new(0),
            left: Semaphore::new(0),
        });
        let identify: Identify = Arc::new(move |_| identity.clone());
        let registry = registry(Arc::clone(&context));
        let dispatcher = Dispatcher::new(registry, identify, limits, "test".into(), None);
        let stop = CancellationToken::new();
        let server =
            Server::new(Arc::clone(&dispatcher), Arc::new(Quiet), Json::object, stop.clone());
        let socket = Socket::bind(&path, 0o600).unwrap();
        let server = tokio::spawn(server.run(socket));
        Self { path, stop, context, dispatcher, server, _folder: folder }
    }

    pub(super) async fn stream(&self) -> UnixStream {
        UnixStream::connect(&self.path).await.unwrap()
    }

    pub(super) async fn lines(&self) -> LineClient {
        LineClient { stream: BufReader::new(self.stream().await) }
    }

    pub(super) async fn http(&self) -> HttpClient {
        HttpClient { stream: BufReader::new(self.stream().await) }
    }

    pub(super) async fn websocket(&self) -> WsClient {
        WsClient::open(self.stream().await).await
    }

    /// Another client is served as if nothing had happened, on every way.
    pub(super) async fn others_are_served(&self) {
        let ping = r#"{"jsonrpc":"2.0","id":"other","method":"test.echo","params":{"text":"x"}}"#;
        let expect = json!({"jsonrpc": "2.0", "id": "other", "result": "x"});
        assert_eq!(self.lines().await.ask(ping).await, expect);
        assert_eq!(self.http().await.post(ping).await, (200, expect.to_string()));
        assert_eq!(self.websocket().await.ask(ping).await, expect);
    }
}

pub(super) fn owner() -> Arc<Caller> {
    let user = UserId::from_bytes([7; 16]);
    Arc::new(Caller {
        user,
        name: "alice".into(),
        role: Role::Owner,
        uid: Some(1000),
        via: Via::Unix,
    })
}

fn registry(context: Arc<Context>) -> Registry<Context> {
    let mut registry = Registry::new(context);
    registry.method::<Echo, _>(|_, _, params: EchoParams| async move { Ok(params.text) });
    registry.method::<Panic, _>(|_, _, _| async move { panic!("on purpose") });
    registry.method::<Thread, _>(|_, _, _| async move {
        Ok(std::thread::current().name().unwrap_or_default().to_owned())
    });
    registry.method::<OwnersOnly, _>(|_, _, _| async move { Ok(true) });
    registry.method::<Held, _>(|context, _, _| async move {
        let _left = Adds(&context.left);
        context.begun.add_permits(1);
        context.release.acquire().await.unwrap().forget();
        Ok(true)
    });
    registry.method::<Big, _>(|_, _, _| async move { Ok("x".repeat(1 << 20)) });
    registry.subscription::<Count, _, _>(|context, _, params: CountParams, sink| async move {
        if params.to == 13 {
            return Err(RpcError::new(ErrorKind::Invalid, "13 brings bad luck").at("to"));
        }
        Ok(async move {
            let _over = Adds(&context.over);
            if params.missing {
                sink.gap(1, 4, "c4").await?;
                sink.lagged(7, "c\"7").await?;
            }
            for n in 1..=params.to {
                sink.items([(n, format!("c{n}"))]).await?;
                context.sent.fetch_add(1, Ordering::Relaxed);
            }
            assert!(params.to != 666, "on purpose");
            if params.to == 0 {
                std::future::pending::<()>().await;
            }
            Ok(Ended("EXECUTION_ENDED"))
        })
    });
    conformance(&mut registry);
    registry
}

/// Adds one when it is dropped.
struct Adds<'s>(&'s Semaphore);

impl Drop for Adds<'_> {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

/// The methods that the conformance file names.
fn conformance(registry: &mut Registry<Context>) {
    fn number(params: &Value, index: usize, name: &str) -> i64 {
        params.get(index).or_else(|| params.get(name)).and_then(Value::as_i64).unwrap_or(0)
    }
    registry.raw("subtract", |params| {
        Ok((number(&params, 0, "minuend") - number(&params, 1, "subtrahend")).into())
    });
    registry.raw("sum", |params| {
        let numbers = params.as_array().into_iter().flatten();
        Ok(numbers.filter_map(Value::as_i64).sum::<i64>().into())
    });
    registry.raw("get_data", |_| Ok(json!(["hello", 5])));
    for name in ["update", "notify_hello", "notify_sum"] {
        registry.raw(name, |_| Ok(Value::Null));
    }
}

macro_rules! test_method {
    ($method:ident, $name:literal, $access:expr, $params:ty => $answer:ty) => {
        #[derive(Debug)]
        pub(super) struct $method;
        impl Method for $method {
            const NAME: &'static str = $name;
            const ACCESS: Access = $access;
            const KIND: Kind = Kind::Read;
            const SUMMARY: &'static str = "For tests.";
            type Params = $params;
            type Answer = $answer;
            fn example() -> Json {
                Json::object()
            }
        }
    };
}

test_method!(Echo, "test.echo", Access::Open, EchoParams => String);
test_method!(Thread, "test.thread", Access::Open, Nothing => String);
test_method!(Panic, "test.panic", Access::Open, Nothing => bool);
test_method!(Held, "test.held", Access::Open, Nothing => bool);
test_method!(Big, "test.big", Access::Open, Nothing => String);
test_method!(OwnersOnly, "test.owners", Access::Role(Role::Owner), Nothing => bool);
test_method!(Count, "test.subscribe", Access::Open, CountParams => SubscriptionId);

impl Subscription for Count {
    type Item = u64;
    const NOTIFICATION: &'static str = "test.changed";
    const UNSUBSCRIBE: &'static str = "test.unsubscribe";
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EchoParams {
    text: String,
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CountParams {
    /// Counts to here, or waits for ever at 0.
    to: u64,
    /// Says first that something is missing.
    #[serde(default)]
    missing: bool,
}

/// Pages that say little.
struct Quiet;

impl Pages for Quiet {
    fn health(&self) -> BoxFuture<'_, Probe> {
        Box::pin(async { Probe { ok: true, text: "HEALTHY".into() } })
    }
    fn ready(&self) -> BoxFuture<'_, Probe> {
        Box::pin(async { Probe { ok: false, text: "starting".into() } })
    }
    fn metrics(&self) -> BoxFuture<'_, String> {
        Box::pin(async { "a2n_up 1\n".into() })
    }
}

/// Speaks lines.
pub(super) struct LineClient {
    pub(super) stream: BufReader<UnixStream>,
}

impl LineClient {
    pub(super) async fn send(&mut self, text: &str) {
        self.send_bytes(format!("{text}\n").as_bytes()).await;
    }
    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }
    /// The next line; `None` at the end.
    pub(super) async fn receive(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }
    pub(super) async fn ask(&mut self, text: &str) -> Value {
        self.send(text).await;
        self.receive().await.expect("an answer")
    }
    /// Ends the input and reads all that still comes.
    pub(super) async fn finish(mut self) -> Vec<Value> {
        self.stream.shutdown().await.unwrap();
        let mut all = Vec::new();
        while let Some(value) = self.receive().await {
            all.push(value);
        }
        all
    }
}

/// Speaks HTTP/1.1.
pub(super) struct HttpClient {
    pub(super) stream: BufReader<UnixStream>,
}

impl HttpClient {
    /// Posts a body without a content type; the connection may be used again.
    pub(super) async fn post(&mut self, body: &str) -> (u16, String) {
        self.post_bytes(body.as_bytes()).await
    }
    pub(super) async fn post_bytes(&mut self, body: &[u8]) -> (u16, String) {
        let head =
            format!("POST /rpc HTTP/1.1\r\nHost: a2n\r\nContent-Length: {}\r\n\r\n", body.len());
        self.stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        self.answer().await
    }
    pub(super) async fn get(&mut self, path: &str) -> (u16, String) {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a2n\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await.unwrap();
        self.answer().await
    }
    pub(super) async fn answer(&mut self) -> (u16, String) {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        let status = line.split(' ').nth(1).expect("a status line").parse().unwrap();
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).await.unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        (status, String::from_utf8(body).unwrap())
    }
}

/// Speaks WebSocket.
pub(super) struct WsClient {
    pub(super) stream: UnixStream,
    buffer: Vec<u8>,
}

impl WsClient {
    async fn open(mut stream: UnixStream) -> Self {
        let head = "GET / HTTP/1.1\r\nHost: a2n\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Self { stream, buffer: Vec::new() }
    }
    pub(super) async fn send(&mut self, text: &[u8]) {
        self.stream.write_all(&masked(0x81, text)).await.unwrap();
    }
    /// The next message; the close code where it is closed, `Err(0)` at the end.
    pub(super) async fn receive(&mut self) -> Result<Value, u16> {
        loop {
            if let Parsing::Done { value: header, offset } =
                Codec::new().decode_header(&self.buffer).unwrap()
            {
                let end = offset + header.payload_len();
                if self.buffer.len() >= end {
                    let payload: Vec<u8> = self.buffer.drain(..end).skip(offset).collect();
                    return match header.opcode() {
                        OpCode::Text => Ok(serde_json::from_slice(&payload).unwrap()),
                        OpCode::Close => Err(u16::from_be_bytes([payload[0], payload[1]])),
                        other => panic!("{other}"),
                    };
                }
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return Err(0);
            }
        }
    }
    pub(super) async fn ask(&mut self, text: &str) -> Value {
        self.send(text.as_bytes()).await;
        self.receive().await.expect("an answer")
    }
}

/// One masked frame of any size.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0xff];
    frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    let key = [1, 2, 3, 4];
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// The code of an error answer.
pub(super) fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {answer}"))
}

/// The notice in a notification.
pub(super) fn notice(note: &Value) -> Notice<u64> {
    assert_eq!(note["method"], "test.changed", "{note}");
    serde_json::from_value(note["params"]["result"].clone()).unwrap()
}
