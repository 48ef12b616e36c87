//! Bytes on their way through a workflow: downloaded, handed on by reference, written, verified, and
//! gone with the last execution that named them. The daemon never holds them in memory.

use std::io::{Read, Write};
use std::net::TcpListener;

use a2n_tests::command::{a2n, a2n_ok, a2n_with_input};
use a2n_tests::daemon::World;
use anyhow::{Result, bail};
use serde_json::{Value, json};

/// Larger than all that the daemon may hold by far.
const SIZE: usize = 32 << 20;
/// What the daemon may hold more than before.
const GROWTH: u64 = 16 << 20;

/// Looks at the folder, each with a call in between, before the cleaner counts as hung.
const PATIENCE: usize = 200_000;

/// Serves the same bytes to whoever asks; answers where.
fn serve(byte_of: fn(usize) -> u8) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/disk.img?token=x", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream?;
            let mut some = [0u8; 4096];
            let _asked = stream.read(&mut some)?;
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n")?;
            write!(stream, "Content-Type: application/x-raw\r\nConnection: close\r\n\r\n")?;
            for start in (0..SIZE).step_by(1 << 16) {
                let piece: Vec<u8> = (start..start + (1 << 16)).map(byte_of).collect();
                stream.write_all(&piece)?;
            }
        }
        Ok::<(), std::io::Error>(())
    });
    Ok(url)
}

#[expect(clippy::cast_possible_truncation, reason = "any bytes do")]
fn byte_of(place: usize) -> u8 {
    (place / 251) as u8 ^ place as u8
}

#[test]
fn a_large_download_goes_through_a_workflow_and_not_through_memory() -> Result<()> {
    let mut world = World::started()?;
    let (url, copy) = (serve(byte_of)?, world.path().join("copy"));
    let document = json!({
        "name": "mirror",
        "nodes": [
            {"id": "get", "type": "http", "config": {"url": "{{ inputs.url }}", "timeout": 300_000}},
            {"id": "put", "type": "file", "config": {"action": "WRITE", "path": copy, "content": "{{ item.body }}"}},
            {"id": "say", "type": "set", "config": {"values": {"said": "{{ nodes['get'].item.body.name }} has {{ nodes['get'].item.body.size }} bytes"}}},
        ],
        "connections": [{"source": "get", "target": "put"}, {"source": "put", "target": "say"}],
    });
    let applied = a2n_with_input(&world, &["apply", "-f", "-"], &document.to_string())?;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    world.peak_memory()?;
    let before = world.peak_memory()?;
    let ran =
        a2n_ok(&world, &["run", "mirror", "-i", &format!("url={url}"), "--wait", "-o", "json"])?;
    let grown = world.peak_memory()?.saturating_sub(before);
    let ran: Value = serde_json::from_str(&ran)?;
    assert_eq!(ran["outputData"]["say"]["output"][0]["said"], format!("disk.img has {SIZE} bytes"));
    assert!(grown < GROWTH, "the daemon holds {grown} bytes more");
    let copied = std::fs::read(&copy)?;
    assert!(copied.len() == SIZE && copied.iter().enumerate().all(|(n, b)| *b == byte_of(n)));

    let verified: Value = serde_json::from_str(&a2n_ok(&world, &["verify", "-o", "json"])?)?;
    let checked = verified["checked"].as_array().expect("a list");
    assert!(checked.contains(&json!({"part": "attachments", "rows": 1})), "{verified}");

    // Half a file of a daemon that was killed goes at the next start, the attachment stays.
    let folder = world.data_dir().join("attachments");
    std::fs::write(folder.join(".new-1"), b"half")?;
    world.kill()?;
    world.start()?;
    let names: Vec<_> =
        std::fs::read_dir(&folder)?.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    assert_eq!(names.len(), 1, "{names:?}");

    // Damage and loss are found.
    std::fs::write(&names[0], b"other")?;
    let found = a2n(&world, &["verify"])?;
    assert!(found.code == Some(1) && found.stdout.contains("DAMAGED"), "{found:?}");
    std::fs::remove_file(&names[0])?;
    let found = a2n(&world, &["verify"])?;
    assert!(found.code == Some(1) && found.stdout.contains("MISSING"), "{found:?}");
    Ok(())
}

#[test]
fn an_attachment_goes_with_its_last_execution() -> Result<()> {
    let mut world = World::started()?;
    let (from, folder) = (world.path().join("from"), world.data_dir().join("attachments"));
    std::fs::write(&from, b"\xff\xfe\xfd")?;
    let document = json!({
        "name": "reader",
        "nodes": [{"id": "read", "type": "file", "config": {"path": from}}],
    });
    let applied = a2n_with_input(&world, &["apply", "-f", "-"], &document.to_string())?;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    a2n_ok(&world, &["run", "reader", "--wait"])?;
    let kept = || Ok::<_, std::io::Error>(std::fs::read_dir(&folder)?.count());
    assert_eq!(kept()?, 1);
    let mut socket = world.lines()?;
    let id = socket.call("workflow.get", json!({"name": "reader"}))?["id"].clone();
    socket.call("workflow.delete", json!({"id": id}))?;
    // The cleaner looks through everything at each start.
    world.stop()?;
    world.start()?;
    let mut socket = world.lines()?;
    for _ in 0..PATIENCE {
        if kept()? == 0 {
            return Ok(());
        }
        socket.call("system.ping", json!({}))?;
    }
    bail!("the attachment is still there")
}
