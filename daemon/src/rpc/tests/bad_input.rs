//! Bad input on each way in: the protocol's own error or a clean close, and nobody else notices.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{World, code, masked};

/// Texts that are refused, with the code.
fn refused() -> Vec<(&'static str, Vec<u8>, i64)> {
    let call = |params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"test.echo","params":{params}}}"#).into_bytes()
    };
    let batch = format!("[{}]", vec!["1"; 101].join(","));
    vec![
        ("malformed", br#"{"jsonrpc":"2.0","id":1,"#.to_vec(), -32700),
        ("not JSON", b"hello".to_vec(), -32700),
        (
            "invalid UTF-8",
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}".to_vec(),
            -32700,
        ),
        ("NUL", b"{\0}".to_vec(), -32700),
        ("wrong version", br#"{"jsonrpc":"1.0","id":1,"method":"test.echo"}"#.to_vec(), -32600),
        ("unknown method", br#"{"jsonrpc":"2.0","id":1,"method":"no.such"}"#.to_vec(), -32601),
        ("params missing", br#"{"jsonrpc":"2.0","id":1,"method":"test.echo"}"#.to_vec(), -32602),
        ("params an array", call(r#"["x"]"#), -32602),
        ("params of another type", call(r#"{"text":1}"#), -32602),
        ("unknown member", call(r#"{"text":"x","txt":"y"}"#), -32602),
        ("duplicate key", call(r#"{"text":"x","text":"y"}"#), -32700),
        ("duplicate envelope key", br#"{"jsonrpc":"2.0","id":1,"id":2}"#.to_vec(), -32700),
        ("deep", call(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))), -32700),
        ("deep and open", vec![b'['; 1_000_000], -32700),
        ("huge batch", batch.into_bytes(), 413),
        ("panic", br#"{"jsonrpc":"2.0","id":1,"method":"test.panic"}"#.to_vec(), 500),
    ]
}

#[tokio::test]
async fn lines_refuse_bad_input_and_go_on() {
    let world = World::start();
    let mut client = world.lines().await;
    for (name, text, expect) in refused() {
        client.send_bytes(&[&text[..], b"\n"].concat()).await;
        let answer = client.receive().await.expect(name);
        assert_eq!(code(&answer), expect, "{name}: {answer}");
        assert!(answer["error"]["data"]["kind"].is_string(), "{name}: {answer}");
    }
    world.others_are_served().await;
}

#[tokio::test]
async fn http_refuses_bad_input_and_goes_on() {
    let world = World::start();
    let mut client = world.http().await;
    for (name, text, expect) in refused() {
        let (status, body) = client.post_bytes(&text).await;
        let answer: Value = serde_json::from_str(&body).expect(name);
        assert_eq!((status, code(&answer)), (200, expect), "{name}: {answer}");
    }
    let (status, body) = client.post("").await;
    assert_eq!((status, code(&serde_json::from_str(&body).unwrap())), (200, -32700));
    world.others_are_served().await;
}

#[tokio::test]
async fn websocket_refuses_bad_input_and_goes_on() {
    let world = World::start();
    let mut client = world.websocket().await;
    for (name, text, expect) in refused() {
        client.send(&text).await;
        let answer = client.receive().await.expect(name);
        assert_eq!(code(&answer), expect, "{name}: {answer}");
    }
    world.others_are_served().await;
}

#[tokio::test]
async fn the_wrong_member_and_the_panic_are_named() {
    let world = World::start();
    let mut client = world.lines().await;
    let call = |method: &str, params: Value| {
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
    };
    let answer = client.ask(&call("test.echo", json!({"text": "x", "txt": "y"}))).await;
    assert_eq!(answer["error"]["data"]["path"], "txt", "{answer}");
    let answer = client.ask(&call("test.panic", json!({}))).await;
    let id = answer["error"]["data"]["correlationId"].as_str().expect("an id");
    assert!(id.starts_with("test-"), "{answer}");
    assert!(!answer.to_string().contains("on purpose"), "what a panic says stays in the log");
    let twice = r#"{"jsonrpc":"2.0","id":9,"method":"test.echo","params":{"text":"x","text":"y"}}"#;
    let answer = client.ask(twice).await;
    assert_eq!(answer["error"]["data"]["path"], "params.text");
    assert_eq!(answer["id"], 9);
}

/// 100 MB that come in pieces; the client gets to write all of it and then to read the answer.
const HUGE: usize = 100 << 20;
const PIECE: usize = 1 << 20;

#[tokio::test]
async fn a_line_of_100_megabytes_is_refused_and_the_connection_closed() {
    let world = World::start();
    let mut client = world.lines().await;
    client.send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"").await;
    for n in 0..HUGE / PIECE {
        client.send_bytes(&vec![b'x'; PIECE]).await;
        if n % 50 == 25 {
            world.others_are_served().await;
        }
    }
    let answers = client.finish().await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!((code(&answers[0]), &answers[0]["id"]), (413, &Value::Null));
    world.others_are_served().await;
}

#[tokio::test]
async fn a_websocket_message_of_100_megabytes_is_refused_and_the_connection_closed() {
    let world = World::start();
    let mut client = world.websocket().await;
    let frame = masked(0x81, &vec![b'x'; HUGE]);
    for piece in frame.chunks(PIECE) {
        client.stream.write_all(piece).await.unwrap();
    }
    client.stream.shutdown().await.unwrap();
    assert_eq!(code(&client.receive().await.unwrap()), 413);
    assert_eq!(client.receive().await, Err(1009));
    world.others_are_served().await;
}

#[tokio::test]
async fn an_http_body_of_100_megabytes_is_refused() {
    let world = World::start();
    let mut client = world.http().await;
    let head = format!("POST / HTTP/1.1\r\nHost: a2n\r\nContent-Length: {HUGE}\r\n\r\n");
    client.stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..HUGE / PIECE {
        // The server may close before all is sent, as HTTP allows.
        if client.stream.write_all(&vec![b'x'; PIECE]).await.is_err() {
            break;
        }
    }
    let (status, body) = client.answer().await;
    assert_eq!((status, code(&serde_json::from_str(&body).unwrap())), (413, 413));
    // Without a length told before.
    let mut client = world.http().await;
    let head = "POST / HTTP/1.1\r\nHost: a2n\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"100000\r\n", &vec![b'x'; PIECE][..], b"\r\n"].concat();
    for _ in 0..HUGE / PIECE {
        if client.stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    assert_eq!(client.answer().await.0, 413);
    world.others_are_served().await;
}

#[tokio::test]
async fn half_a_message_and_silence_harm_nobody() {
    let world = World::start();
    let mut line = world.lines().await;
    line.send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"meth").await;
    let mut head = world.stream().await;
    head.write_all(b"POST /rpc HTTP/1.1\r\nHo").await.unwrap();
    let mut body = world.stream().await;
    body.write_all(b"POST /rpc HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{").await.unwrap();
    let mut websocket = world.websocket().await;
    let frame = masked(0x81, b"{\"jsonrpc\":\"2.0\"}");
    websocket.stream.write_all(&frame[..frame.len() / 2]).await.unwrap();
    let silent = world.stream().await;
    world.others_are_served().await;
    // Their end is their own: half a line is still answered, the others are closed.
    let answers = line.finish().await;
    assert_eq!(answers.len(), 1);
    assert_eq!(code(&answers[0]), -32700);
    drop((head, body, websocket, silent));
    world.others_are_served().await;
}

#[tokio::test]
async fn what_is_no_protocol_at_all_is_closed() {
    let world = World::start();
    for garbage in
        [&b"HELO there\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n"]
    {
        let mut stream = world.stream().await;
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        // Closed, with or without an answer of HTTP's own.
        let _ = stream.read_to_end(&mut rest).await;
        let rest = String::from_utf8_lossy(&rest);
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 4"), "{rest}");
    }
    let mut tls = world.lines().await;
    tls.send_bytes(b"\x16\x03\x01\x02\x00\x01\x00\n").await;
    assert_eq!(code(&tls.receive().await.unwrap()), -32700);
    world.others_are_served().await;
}
