//! The HTTP way in, with curl's bytes: the same methods and errors, and the pages beside them.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use a2n_tests::daemon::{LIMIT, World};
use anyhow::Result;
use serde_json::{Value, json};

fn exchange(world: &World, head: &str, body: &str) -> Result<(u16, String)> {
    let mut stream = UnixStream::connect(world.socket())?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(
        stream,
        "{head}\r\nHost: a2n\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok((status, body))
}

#[test]
fn post_with_any_content_type_or_none() -> Result<()> {
    let world = World::started()?;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "system.ping"}).to_string();
    for head in [
        "POST / HTTP/1.1",
        "POST /rpc HTTP/1.1",
        "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded",
    ] {
        let (status, body) = exchange(&world, head, &ping)?;
        let answer: Value = serde_json::from_str(&body)?;
        assert_eq!((status, &answer["result"]["pong"]), (200, &json!(true)), "{body}");
    }
    let batch = json!([{"jsonrpc": "2.0", "id": 1, "method": "system.ping"}, {"jsonrpc": "2.0", "id": 2, "method": "no.such"}]);
    let (_, body) = exchange(&world, "POST / HTTP/1.1", &batch.to_string())?;
    let answers: Value = serde_json::from_str(&body)?;
    assert_eq!(answers.as_array().map(Vec::len), Some(2), "{body}");
    assert!(
        answers.as_array().is_some_and(|a| a.iter().any(|a| a["error"]["code"] == -32601)),
        "{body}"
    );
    let (_, body) = exchange(&world, "POST / HTTP/1.1", "{nonsense")?;
    assert_eq!(serde_json::from_str::<Value>(&body)?["error"]["code"], -32700, "{body}");
    Ok(())
}

#[test]
fn pages_beside_the_methods() -> Result<()> {
    let world = World::started()?;
    for page in ["healthz", "readyz"] {
        assert_eq!(exchange(&world, &format!("GET /{page} HTTP/1.1"), "")?.0, 200, "{page}");
    }
    let (status, metrics) = exchange(&world, "GET /metrics HTTP/1.1", "")?;
    assert_eq!(status, 200);
    assert!(metrics.contains("# TYPE a2n_"), "{metrics}");
    let (status, page) = exchange(&world, "GET /openrpc.json HTTP/1.1", "")?;
    let openrpc: Value = serde_json::from_str(&page)?;
    assert_eq!(status, 200);
    assert!(
        openrpc["methods"]
            .as_array()
            .is_some_and(|m| m.iter().any(|m| m["name"] == "workflow.run"))
    );
    let mut lines = world.lines()?;
    assert_eq!(lines.call("rpc.discover", json!({}))?, openrpc);
    assert_eq!(exchange(&world, "GET /nothing HTTP/1.1", "")?.0, 404);
    Ok(())
}
