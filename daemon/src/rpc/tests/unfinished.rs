//! Messages that begin and do not end, clients that end their side or leave, and what must not
//! follow a goodbye.
//!
//! The story: a client that sent half a message and went silent kept its place for ever, on each
//! way in, and 256 of them shut everybody else of that user out; a POST whose sender had ended its
//! side, as `nc -N` does, was carried out and never answered.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::world::{World, code, masked, owner};
use crate::rpc::{Identity, Limits};

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"get_data"}"#;
const HELD: &str = r#"{"jsonrpc":"2.0","id":1,"method":"test.held"}"#;

fn impatient() -> World {
    let message_within = Duration::from_millis(100);
    World::with(Limits { message_within, ..Limits::default() }, Identity::Account(owner()))
}

fn post(body: &str) -> String {
    format!("POST /rpc HTTP/1.1\r\nHost: a2n\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// All that still comes, as text.
async fn rest(stream: &mut UnixStream) -> String {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    String::from_utf8(rest).unwrap()
}

#[tokio::test]
async fn half_a_line_and_silence_is_an_error_and_the_end() {
    let world = impatient();
    for half in ["{\"jsonrpc\"", CALL] {
        let mut client = world.lines().await;
        client.send_bytes(half.as_bytes()).await;
        let answer = client.receive().await.unwrap();
        assert_eq!((code(&answer), &answer["id"]), (-32700, &json!(null)), "{half}: {answer}");
        assert_eq!(client.receive().await, None, "{half}");
    }
    world.others_are_served().await;
}

#[tokio::test]
async fn half_a_line_does_not_cost_the_answers_of_whole_ones() {
    let world = impatient();
    let mut client = world.lines().await;
    client.send(HELD).await;
    client.send_bytes(b"{\"jsonrpc\"").await;
    assert_eq!(code(&client.receive().await.unwrap()), -32700);
    world.context.release.add_permits(1);
    assert_eq!(client.receive().await.unwrap()["result"], true);
    assert_eq!(client.receive().await, None);
}

#[tokio::test]
async fn half_a_request_and_silence_is_408_and_the_end() {
    let world = impatient();
    let whole = post(CALL);
    for half in [
        "P",
        "POST /rpc HT",
        "POST /rpc HTTP/1.1\r\nHost: a\r\n",
        "POST /rpc HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{\"json",
        "POST /rpc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"j",
        // Beyond a whole one; its own answer comes first.
        &format!("{whole}{}", &whole[..20]),
    ] {
        let mut client = world.stream().await;
        client.write_all(&half.as_bytes()[..half.len().min(whole.len())]).await.unwrap();
        if half.len() > whole.len() {
            let mut first = [0; 12];
            client.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
            client.write_all(&half.as_bytes()[whole.len()..]).await.unwrap();
        }
        let said = rest(&mut client).await;
        assert!(said.contains("HTTP/1.1 408 "), "{half}: {said}");
    }
    world.others_are_served().await;
}

#[tokio::test]
async fn half_a_websocket_message_and_silence_is_closed_with_1008() {
    let world = impatient();
    let frame = masked(0x81, CALL.as_bytes());
    let fragment = masked(0x01, CALL.as_bytes());
    for half in [&frame[..1], &frame[..5], &frame[..frame.len() - 1], &fragment[..]] {
        let mut client = world.websocket().await;
        client.stream.write_all(half).await.unwrap();
        assert_eq!(code(&client.receive().await.unwrap()), -32700);
        assert_eq!(client.receive().await, Err(1008));
        assert_eq!(client.receive().await, Err(0));
    }
    world.others_are_served().await;
}

#[tokio::test]
async fn who_is_only_idle_stays() {
    let world = impatient();
    let mut lines = world.lines().await;
    let mut http = world.http().await;
    let mut websocket = world.websocket().await;
    lines.ask(CALL).await;
    http.post(CALL).await;
    websocket.ask(CALL).await;
    // Two others come to their ends meanwhile, one after the other.
    for _ in 0..2 {
        let mut late = world.stream().await;
        late.write_all(b"{").await.unwrap();
        rest(&mut late).await;
    }
    assert_eq!(lines.ask(CALL).await["id"], 1);
    assert_eq!(http.post(CALL).await.0, 200);
    assert_eq!(websocket.ask(CALL).await["id"], 1);
}

#[tokio::test]
async fn a_slow_answer_is_not_a_slow_request() {
    let world = impatient();
    let mut http = world.http().await;
    http.stream.write_all(post(HELD).as_bytes()).await.unwrap();
    world.context.begun.acquire().await.unwrap().forget();
    let mut late = world.stream().await;
    late.write_all(b"{").await.unwrap();
    rest(&mut late).await;
    world.context.release.add_permits(1);
    assert_eq!(http.answer().await.0, 200);
}

#[tokio::test]
async fn a_post_whose_sender_has_ended_its_side_is_answered() {
    let world = World::start();
    for text in [post(HELD), post(CALL), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".into()] {
        let mut client = world.stream().await;
        client.write_all(text.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        if text.contains("test.held") {
            world.context.begun.acquire().await.unwrap().forget();
            world.context.release.add_permits(1);
        }
        let said = rest(&mut client).await;
        assert!(said.starts_with("HTTP/1.1 200 "), "{text}: {said}");
    }
    // Half a body is not a call, and its sender hears so.
    let mut client = world.stream().await;
    let half = post(CALL);
    client.write_all(&half.as_bytes()[..half.len() - 5]).await.unwrap();
    client.shutdown().await.unwrap();
    let said = rest(&mut client).await;
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
}

#[tokio::test]
async fn a_post_whose_sender_is_gone_is_given_up() {
    let world = World::start();
    for ended_before in [false, true] {
        let mut client = world.stream().await;
        client.write_all(post(HELD).as_bytes()).await.unwrap();
        if ended_before {
            client.shutdown().await.unwrap();
        }
        world.context.begun.acquire().await.unwrap().forget();
        drop(client);
        while world.dispatcher.counts().n_in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    }
    world.others_are_served().await;
}

#[tokio::test]
async fn nothing_follows_a_close_frame() {
    let world = World::start();
    // A goodbye with the code 1000, and a frame of a kind that does not exist; masked with zeros.
    for (frame, close) in [
        (&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8][..], [0x88, 0x02, 0x03, 0xe8]),
        (&[0x83, 0x80, 0, 0, 0, 0][..], [0x88, 0x02, 0x03, 0xea]),
    ] {
        let mut client = world.websocket().await;
        client.stream.write_all(frame).await.unwrap();
        let mut said = Vec::new();
        client.stream.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, close);
    }
}

#[tokio::test]
async fn a_token_that_means_nothing_yet_gives_no_rights() {
    let world = World::start();
    let authorized = |text: &str| {
        text.replace("Host: a2n\r\n", "Host: a2n\r\nAuthorization: Bearer a2n_bogus\r\n")
    };
    let mut http = world.http().await;
    http.stream.write_all(authorized(&post(CALL)).as_bytes()).await.unwrap();
    let (status, body) = http.answer().await;
    assert_eq!((status, code(&serde_json::from_str(&body).unwrap())), (401, 401));
    let upgrade = "GET / HTTP/1.1\r\nHost: a2n\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for (request, expect) in [
        (upgrade, 401),
        ("GET /metrics HTTP/1.1\r\nHost: a2n\r\n\r\n", 401),
        // Open to everybody, whoever they say they are.
        ("GET /healthz HTTP/1.1\r\nHost: a2n\r\n\r\n", 200),
    ] {
        http.stream.write_all(authorized(request).as_bytes()).await.unwrap();
        assert_eq!(http.answer().await.0, expect, "{request}");
    }
}
