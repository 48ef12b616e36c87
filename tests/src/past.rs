//! Years of history: real executions of a real daemon, multiplied over workflows, users and months.
//!
//! What is multiplied is what the daemon wrote, node states and measured values with it; it goes into
//! the data folder through the store's own functions, in large transactions, while no daemon runs.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use a2n_daemon::store::history::past::{self, Past};
use a2n_daemon::store::{Options, Origin, Paging, Store, execution, execution_metrics, user};
use a2n_proto::execution::ExecutionStatus;
use a2n_proto::identity::User;
use a2n_proto::{ExecutionId, InstallId, Timestamp, UserId};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::daemon::World;

/// Workflows that are run.
pub const WORKFLOWS: usize = 10;
/// Days that the executions lie in, up to yesterday.
const DAYS: u64 = 170;
/// Executions that end in one minute: machines are busy at some times and idle at others.
const A_MINUTE: u64 = 240;
/// Executions of one transaction.
const AT_ONCE: u64 = 20_000;
const DAY_MS: u64 = 86_400_000;

/// A workflow of three nodes; it fails where its input says so.
fn document(name: &str) -> Value {
    json!({
        "name": name,
        "nodes": [
            {"id": "prepare", "type": "set", "config": {"values": {"host": "web-{{ inputs.n }}", "percent": "{{ inputs.n }}"}}},
            {"id": "full", "type": "if", "config": {"where": "{{ inputs.n == 0 }}"}},
            {"id": "refuse", "type": "stop", "config": {"status": "FAILED", "message": "no room left"}},
            {"id": "report", "type": "set", "config": {"values": {"text": "{{ item.host }} is at {{ item.percent }} percent"}}},
        ],
        "connections": [
            {"source": "prepare", "target": "full"},
            {"source": "full", "sourceHandle": "true", "target": "refuse"},
            {"source": "full", "sourceHandle": "false", "target": "report"},
        ],
    })
}

/// Has a daemon run each workflow once to each end, and stops it.
pub fn seed(world: &mut World) -> Result<()> {
    world.start()?;
    let mut lines = world.lines()?;
    for n in 0..WORKFLOWS {
        let name = name(n);
        lines.call("workflow.create", json!({"definition": document(&name), "publish": true}))?;
        for (n, status) in [(0, "FAILED"), (7, "SUCCESS")] {
            let inputs = json!({"name": name, "inputs": {"n": n}});
            let run = lines.call("workflow.run", inputs)?;
            let waits = json!({"id": run["id"], "timeout": 60_000});
            let ended = lines.call("execution.wait", waits)?;
            ensure!(ended["status"] == status, "{ended}");
        }
    }
    drop(lines);
    world.stop()
}

/// The name of a workflow.
pub fn name(n: usize) -> String {
    format!("past-{n}")
}

/// The store of a data folder while no daemon runs, opened with these changes to its options.
pub fn open(data_dir: &Path, change: impl FnOnce(&mut Options)) -> Result<Store> {
    let install = InstallId::from_bytes([1; 16]);
    let mut options = Options::new(data_dir.to_owned(), install, Timestamp::from_unix_ms(now()?));
    change(&mut options);
    Ok(Store::open(options)?)
}

/// Adds `n` executions to a folder that was seeded, spread over workflows, users and months.
pub fn multiply(data_dir: &Path, n: u64) -> Result<()> {
    let store = open(data_dir, |_| {})?;
    let now = u64::try_from(now()?)?;
    let origin = Origin::daemon(Timestamp::from_unix_ms(i64::try_from(now)?), "GENERATOR");
    let templates = templates(&store)?;
    let users = more_users(&store, &origin)?;
    let minutes = n.div_ceil(A_MINUTE);
    let begin = now - (DAYS + 1) * DAY_MS;
    for from in (0..n).step_by(usize::try_from(AT_ONCE)?) {
        let batch = (from..n.min(from + AT_ONCE)).map(|n| {
            // One in twelve fails; neighbours are of other workflows and other users.
            let workflow = usize::try_from(mixed(n) % WORKFLOWS as u64)?;
            let fails = (mixed(n) / 64).is_multiple_of(12);
            let template = &templates[2 * workflow + usize::from(!fails)];
            let user = users[usize::try_from(mixed(n) / 4096 % users.len() as u64)?];
            let minute = n / A_MINUTE * (DAYS * DAY_MS / minutes);
            copy(template, n, begin + minute + n % A_MINUTE * 250, user)
        });
        past::put(&store, &origin, batch.collect::<Result<_>>()?)?;
    }
    store.close();
    Ok(())
}

fn now() -> Result<i64> {
    #[expect(clippy::disallowed_methods, reason = "history ends today")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_millis())?)
}

/// What the daemon wrote: for each workflow one that failed and one that did not.
fn templates(store: &Store) -> Result<Vec<Past>> {
    let read = store.read()?;
    let paging = Paging { limit: 1000, cursor: None, newest_first: false };
    let all = execution::list(&read, &execution::Query::default(), &paging)?.items;
    let mut templates = Vec::new();
    for n in 0..WORKFLOWS {
        for status in [ExecutionStatus::Failed, ExecutionStatus::Success] {
            let head = all
                .iter()
                .find(|one| one.status == status && one.workflow_name == name(n))
                .with_context(|| format!("no {status:?} of {}", name(n)))?;
            templates.push(Past {
                execution: execution::require(&read, head.id)?,
                state: execution::state(&read, head.id)?.context("a state")?,
                measured: execution_metrics::list(&read, head.id)?,
            });
        }
    }
    Ok(templates)
}

/// The owner and two colleagues.
fn more_users(store: &Store, origin: &Origin) -> Result<Vec<UserId>> {
    let owner = user::list(&store.read()?, None, None, &Paging::first(1))?.items;
    let owner: User = owner.into_iter().next().context("an owner")?;
    let mut users = vec![owner.id];
    for n in 1..=2u8 {
        let id = UserId::from_parts(owner.id.unix_ms(), [n; 10]);
        let one = User { id, name: format!("colleague {n}"), email: None, ..owner.clone() };
        store.write_blocking::<_, a2n_daemon::store::Error, _>(origin.clone(), move |tx| {
            user::put(tx, &one)
        })?;
        users.push(id);
    }
    Ok(users)
}

/// The same execution as number `n`, accepted at another time, with another user's rights.
fn copy(template: &Past, n: u64, unix_ms: u64, user: UserId) -> Result<Past> {
    let mut copy = template.clone();
    let mut random = [0; 10];
    random[2..].copy_from_slice(&mixed(n).to_be_bytes());
    let one = &mut copy.execution;
    let later = i64::try_from(unix_ms)? - one.created_at.as_unix_ms();
    let shift = |at: Timestamp| Timestamp::from_unix_ms(at.as_unix_ms() + later);
    one.id = ExecutionId::from_parts(unix_ms, random);
    one.user_id = user;
    one.created_at = shift(one.created_at);
    one.updated_at = shift(one.updated_at);
    one.start_time = one.start_time.map(shift);
    one.end_time = one.end_time.map(shift);
    for value in &mut copy.measured {
        value.execution_id = copy.execution.id;
        value.timestamp = shift(value.timestamp);
    }
    Ok(copy)
}

/// Numbers that follow each other, as numbers that do not (splitmix64).
fn mixed(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
