//! Waits for files, ports and answers on a made-up machine: what is looked at when, and what comes of it.

use std::path::Path;

use a2n_proto::{ExecutionId, UserId, WorkflowId};

use super::*;
use crate::engine::execution::UnitKey;
use crate::engine::kind::Outcome;
use crate::engine::request::Request;
use crate::engine::request::look::{FileState, HttpTarget};
use crate::system::Clock;
use crate::system::http::Response;
use crate::system::sim::Sim;

const START: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

/// The looks, and the engine's side of them.
struct Desk {
    sim: Sim,
    looks: Looks,
    tuning: watch::Receiver<Arc<Tuning>>,
    back: mpsc::UnboundedSender<Back>,
    told: mpsc::UnboundedReceiver<Back>,
}

impl Desk {
    fn new(tuning: Tuning) -> Self {
        let (back, told) = mpsc::unbounded_channel();
        let tuning = watch::channel(Arc::new(tuning)).1;
        Self { sim: Sim::new(1, START), looks: Looks::default(), tuning, back, told }
    }

    fn ask_as(&self, n: u8, at: Timestamp, request: LookRequest) {
        let key = JobKey {
            execution: ExecutionId::from_bytes([n; 16]),
            node: "w".into(),
            iteration: String::new(),
            item: None,
            attempt: 1,
        };
        let user = UserId::from_bytes([1; 16]);
        let workflow = WorkflowId::from_bytes([1; 16]);
        let asked = Asked {
            key,
            at,
            workflow,
            owner: user,
            user,
            priority: 0,
            depth: 0,
            handles_error: false,
            correlation_id: None,
        };
        let parts = (&self.sim.system, &self.tuning, &self.back);
        self.looks.look(parts, asked, request);
    }

    fn ask(&self, at: Target) {
        self.ask_as(1, self.sim.clock.now(), request(at));
    }

    /// What is answered next without time passing; what is reworded is asked again, as the engine does.
    async fn next(&mut self) -> Option<String> {
        for _ in 0..200 {
            tokio::task::yield_now().await;
            let Ok(back) = self.told.try_recv() else { continue };
            let Back::Replied { id, unit, n, reply } = back else { panic!("{back:?}") };
            assert_eq!((unit, n), (UnitKey { node: unit_node(), item: None }, 1));
            match *reply {
                Ok(Outcome::Request(request)) => {
                    let Request::Look(request) = *request else { panic!("{request:?}") };
                    let shown = request.detail();
                    self.ask_as(id.as_bytes()[0], START, *request);
                    return Some(format!("goes on: {shown}"));
                }
                Ok(Outcome::Items(items)) => return Some(items["output"][0].to_string()),
                Ok(other) => panic!("{other:?}"),
                Err(e) => return Some(format!("{}: {}", e.kind, e.message)),
            }
        }
        None
    }

    /// Lets time pass, second by second; what is answered, and after how many.
    async fn within(&mut self, seconds: u64) -> Vec<(u64, String)> {
        let mut all = Vec::new();
        for second in 1..=seconds {
            self.sim.clock.advance(SECOND);
            while let Some(told) = self.next().await {
                all.push((second, told));
            }
        }
        all
    }
}

fn unit_node() -> crate::engine::execution::NodeKey {
    crate::engine::execution::NodeKey::outside_loops("w")
}

fn request(at: Target) -> LookRequest {
    LookRequest { at, every: 10 * SECOND, until: None, said: None, items: Vec::new() }
}

fn file(wanted: FileState) -> Target {
    Target::File { path: "/in/x".into(), wanted, first: None }
}

fn port() -> Target {
    Target::Port { host: "db".into(), port: 5432 }
}

fn http(url: &str, holds: Option<&str>) -> Target {
    Target::Http(Box::new(HttpTarget {
        method: "GET".into(),
        url: url.into(),
        socket: None,
        headers: Vec::new(),
        status: vec![(200, 299)],
        holds: holds.map(str::to_owned),
    }))
}

#[tokio::test]
async fn a_port_is_asked_at_once_and_then_in_its_rhythm() {
    let mut desk = Desk::new(Tuning::default());
    desk.ask(port());
    let refused = "goes on: an answer of port db:5432 (last: no connection: connection refused)";
    assert_eq!(desk.next().await.as_deref(), Some(refused));
    desk.sim.dial.open("db", 5432);
    let told = desk.within(25).await;
    assert_eq!(told, [(10, r#"{"port":{"host":"db","port":5432}}"#.to_owned())]);
}

#[tokio::test]
async fn a_daemon_that_starts_again_looks_at_once_and_keeps_the_rhythm() {
    let mut desk = Desk::new(Tuning::default());
    let mut asked = request(port());
    asked.said = Some("no connection: connection refused".into());
    // It began 23 seconds ago: the next of its moments is in seven.
    desk.ask_as(1, START.minus(23 * SECOND), asked);
    assert_eq!(desk.next().await, None);
    desk.sim.dial.open("db", 5432);
    assert_eq!(desk.within(20).await.first().map(|told| told.0), Some(7));
}

#[tokio::test]
async fn a_clock_that_is_set_back_delays_nothing_for_long() {
    let mut desk = Desk::new(Tuning::default());
    desk.ask(port());
    desk.next().await;
    desk.sim.clock.set(START.minus(86_400 * SECOND));
    desk.ask_as(2, START, request(port()));
    desk.next().await;
    desk.sim.dial.open("db", 5432);
    assert_eq!(desk.within(12).await.len(), 1, "the second one; the first has its moment");
}

#[tokio::test]
async fn a_file_is_noticed_when_it_comes_without_time_passing() {
    let mut desk = Desk::new(Tuning::default());
    desk.ask(file(FileState::Exists));
    assert_eq!(desk.next().await, None);
    desk.sim.files.put(Path::new("/in/other"), b"1".to_vec());
    assert_eq!(desk.next().await, None);
    desk.sim.files.put(Path::new("/in/x"), b"12".to_vec());
    let came =
        r#"{"file":{"path":"/in/x","exists":true,"size":2,"modified":"2027-01-15T08:00:00.000Z"}}"#;
    assert_eq!(desk.next().await.as_deref(), Some(came));
    desk.ask(file(FileState::Gone));
    assert_eq!(desk.next().await, None);
    desk.sim.files.remove(Path::new("/in/x"));
    let gone = r#"{"file":{"path":"/in/x","exists":false}}"#;
    assert_eq!(desk.next().await.as_deref(), Some(gone));
}

#[tokio::test]
async fn a_change_counts_from_when_the_wait_began_also_over_a_restart() {
    let mut desk = Desk::new(Tuning::default());
    desk.sim.files.put(Path::new("/in/x"), b"old".to_vec());
    desk.ask(file(FileState::Changed));
    // What it was at first goes back to be kept.
    assert_eq!(
        desk.next().await.as_deref(),
        Some("goes on: a change of file /in/x (3 bytes so far)")
    );
    assert_eq!(desk.next().await, None);
    desk.sim.files.put(Path::new("/in/x"), b"newer".to_vec());
    assert!(desk.next().await.is_some_and(|told| told.contains(r#""size":5"#)));
    // It changed while nobody looked: what is kept tells.
    let first = Some(None);
    desk.ask(Target::File { path: "/in/x".into(), wanted: FileState::Changed, first });
    assert!(desk.next().await.is_some_and(|told| told.contains(r#""size":5"#)));
}

#[tokio::test]
async fn an_answer_has_to_be_as_wanted_and_its_last_fault_is_noted_once_a_minute() {
    let mut desk = Desk::new(Tuning::default());
    let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = Arc::clone(&asked);
    desk.sim.http.serve("http://job/", move |request| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let state = if n < 9 { "busy" } else { "done" };
        Ok(Response {
            status: if n == 0 { 503 } else { 200 },
            headers: vec![("content-type".into(), "application/json".into())],
            body: format!(r#"{{"state":"{state}"}}"#).into(),
            url: request.url.clone(),
        })
    });
    desk.ask(http("http://job/1", Some("{{ answer.body.state == 'done' }}")));
    let told = desk.within(150).await;
    let notes: Vec<&str> = told.iter().map(|(_, told)| told.as_str()).collect();
    assert_eq!(notes[0], "goes on: the answer of http://job/1 (last: status 503)");
    assert_eq!(
        notes[1],
        "goes on: the answer of http://job/1 (last: status 200, and `where` is false)"
    );
    assert!(notes[2].contains(r#""body":{"state":"done"}"#), "{notes:?}");
    assert_eq!(notes.len(), 3);
    assert!(told[1].0 - told[0].0 >= 60, "{told:?}");
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 10);
}

#[tokio::test]
async fn what_can_never_come_is_a_failure() {
    let mut desk = Desk::new(Tuning { private_addresses: false, ..Tuning::default() });
    let Target::Http(mut target) = http("http://localhost/", None) else { unreachable!() };
    target.socket = Some("/run/x.sock".into());
    desk.ask(Target::Http(target));
    let told = desk.next().await.unwrap();
    assert!(told.starts_with("FORBIDDEN_ADDRESS: the socket /run/x.sock"), "{told}");
    desk.sim.http.serve("http://n/", |request| {
        Ok(Response { status: 200, headers: vec![], body: "7".into(), url: request.url.clone() })
    });
    desk.ask(http("http://n/", Some("{{ answer.body }}")));
    let told = desk.within(12).await;
    let wanted = "CONFIG: `http.where` came to 7, but must be true or false";
    assert_eq!(told.last().map(|told| told.1.as_str()), Some(wanted));
}

#[tokio::test]
async fn who_waits_no_more_is_told_nothing_and_costs_nothing() {
    let mut desk = Desk::new(Tuning::default());
    desk.ask(port());
    desk.ask_as(2, START, request(file(FileState::Exists)));
    while desk.next().await.is_some() {}
    for n in [1, 2] {
        let key = JobKey {
            execution: ExecutionId::from_bytes([n; 16]),
            node: "w".into(),
            iteration: String::new(),
            item: None,
            attempt: 1,
        };
        desk.looks.forget(&key);
    }
    assert_eq!(desk.next().await, None);
    desk.sim.dial.open("db", 5432);
    desk.sim.files.put(Path::new("/in/x"), b"1".to_vec());
    assert_eq!(desk.within(60).await, []);
    assert_eq!(desk.sim.clock.advance_to_next(), None, "nobody sleeps");
}

#[tokio::test]
async fn more_than_may_look_at_once_have_their_turn() {
    let mut desk = Desk::new(Tuning::default());
    desk.sim.dial.open("db", 5432);
    for n in 0..200 {
        desk.ask_as(n, START, request(port()));
    }
    let mut told = 0;
    while desk.next().await.is_some() {
        told += 1;
    }
    assert_eq!(told, 200);
}

#[test]
fn the_next_moment_is_on_the_grid_and_never_far() {
    let ms = Timestamp::from_unix_ms;
    let every = Duration::from_millis(10);
    assert_eq!(next(ms(3), every, ms(3)), ms(13));
    assert_eq!(next(ms(3), every, ms(13)), ms(23));
    assert_eq!(next(ms(3), every, ms(22)), ms(23));
    assert_eq!(next(ms(1_000), every, ms(3)), ms(13));
    assert_eq!(next(ms(0), Duration::MAX, ms(i64::MAX)), ms(i64::MAX));
}

/// Texts that broke others, as paths, hosts, URLs and conditions of a real machine: each is an answer.
#[tokio::test]
async fn what_broke_others_breaks_no_look() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/naughty-strings/blns.json");
    let texts = std::fs::read_to_string(path).unwrap();
    let mut texts: Vec<String> = serde_json::from_str(&texts).unwrap();
    texts.extend(["\0", "a\0b", "/", "//", "../..", "\u{202e}", "\r\n"].map(str::to_owned));
    let folder = tempfile::tempdir().unwrap();
    let system = crate::system::System::real();
    let watch = system.files.watch().unwrap();
    let sim = Sim::new(1, START);
    sim.http.serve("http://n/", |request| {
        Ok(Response { status: 200, headers: vec![], body: "7".into(), url: request.url.clone() })
    });
    for text in texts {
        let file = Target::File { path: text.clone(), wanted: FileState::Exists, first: None };
        let path = folder.path().join(&text);
        let _maybe = watch.watch(&path).await;
        let _found = looking::look(&system, true, &file, Some(&path)).await;
        watch.forget(&path);
        let port = Target::Port { host: text.clone(), port: 1 };
        let _found = looking::look(&sim.system, true, &port, None).await;
        let url = looking::look(&system, true, &http(&format!("unix:{text}"), None), None).await;
        assert!(!matches!(url, Found::Met(_)), "{text:?}: {url:?}");
        let holds = format!("{{{{ {text} }}}}");
        let asked = http("http://n/", Some(&holds));
        let look = looking::look(&sim.system, true, &asked, None);
        tokio::pin!(look);
        while futures_util::poll!(&mut look).is_pending() {
            if sim.clock.advance_to_next().is_none() {
                tokio::task::yield_now().await;
            }
        }
    }
    assert_eq!(watch.paths(), Vec::<PathBuf>::new());
}
