//! The executor on a made-up machine: no time passes that is not told.

use a2n_proto::Timestamp;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::json;

use super::*;
use crate::engine::kind::WorksOn;
use crate::nodes::bench::{Bench, Ears, attachments, told};
use crate::nodes::definition::{Definition, nothing_more, one_input, one_output};
use crate::system::process::{Ended, Stream};
use crate::system::sim::{Act, Sim};

fn sim() -> Sim {
    Sim::new(1, Timestamp::from_unix_ms(1_800_000_000_000))
}

/// Lets the made-up time run as far as somebody sleeps, until the attempt has ended.
async fn ends(bench: &Bench, sim: &Sim, job: Job) -> String {
    let mut end = Box::pin(bench.end(job));
    loop {
        for _ in 0..20 {
            if let Some(end) = (&mut end).now_or_never() {
                return told(&end.result);
            }
            tokio::task::yield_now().await;
        }
        sim.clock.advance_to_next().expect("somebody sleeps");
    }
}

#[tokio::test]
async fn an_hour_passes_in_no_time() {
    let sim = sim();
    let bench = Bench::with(sim.system.clone(), |_| {});
    let began = sim.system.now();
    let job = Bench::job("shell", json!({"command": ["sleep", 3600]}), "null");
    assert_eq!(ends(&bench, &sim, job).await, r#"output: {"stdout":"","exitCode":0}"#);
    assert_eq!(sim.system.now().since(began).as_secs(), 3600);
}

#[tokio::test]
async fn a_time_out_ends_one_that_heeds_no_term() {
    let sim = sim();
    sim.process.install("stubborn", |_| {
        vec![
            Act::IgnoreTerm,
            Act::Progress("10 begun".into()),
            Act::Say(Stream::Stderr, b"no\n".to_vec()),
            Act::Sleep(Duration::from_secs(999)),
            Act::End(Ended::Code(3)),
        ]
    });
    let bench = Bench::with(sim.system.clone(), |_| {});
    let mut job = Bench::job("shell", json!({"command": ["stubborn"]}), "null");
    job.timeout = Some(Duration::from_secs(5));
    assert_eq!(ends(&bench, &sim, job).await, "TIMEOUT: took longer than 5000 ms");
    assert_eq!(bench.ears.heard(), ["10% begun", "err no"]);
}

#[tokio::test]
async fn files_and_servers_of_a_made_up_machine() {
    let sim = sim();
    let bench = Bench::with(sim.system.clone(), |_| {});
    let write = json!({"action": "WRITE", "path": "notes", "content": "x"});
    let told = ends(&bench, &sim, Bench::job("file", write, "null")).await;
    assert_eq!(told, r#"output: {"path":"/home/sim/notes","size":1}"#);
    assert_eq!(sim.files.get("/home/sim/notes".as_ref()), Some(b"x".to_vec()));
    let ask = || Bench::job("http", json!({"url": "http://there/a"}), "null");
    let told = ends(&bench, &sim, ask()).await;
    assert_eq!(told, "CONNECT: no connection to http://there/a: connection refused");
    sim.http.serve("http://there/", |request| {
        Ok(crate::system::http::Response {
            status: 204,
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            url: request.url.clone(),
        })
    });
    assert!(ends(&bench, &sim, ask()).await.starts_with(r#"output: {"status":204,"#));
}

#[tokio::test]
async fn a_panic_ends_the_attempt_only() {
    let broken = Definition {
        name: "broken",
        version: "1.0.0",
        display_name: "",
        description: "",
        node_type: NodeType::Custom,
        category: "",
        icon: "",
        color: "",
        tags: &[],
        documentation: "",
        settings_schema: json!({}),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Once,
        check: nothing_more,
        carry_out: CarryOut::Outside(|_| Box::pin(async { panic!("index 7 is gone") })),
    };
    let registry = Arc::new(Registry::of([broken]));
    let (system, folder) = (sim().system, tempfile::tempdir().unwrap());
    let kept = attachments(folder.path(), &system);
    let nodes = Nodes::new(system, registry, kept, Settings::new("/steps".into()));
    let run = async |kind| {
        let job = Bench::job(kind, json!({}), "null");
        told(&nodes.run(job, Arc::new(Ears::default()), CancellationToken::new()).await.result)
    };
    let wanted = "PANIC: the node definition has a fault, please report it: index 7 is gone";
    assert_eq!(run("broken@1.0.0").await, wanted);
    assert_eq!(run("brokn").await, "UNKNOWN_TYPE: there is no node definition `brokn`");
}
