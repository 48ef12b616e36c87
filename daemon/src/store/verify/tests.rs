//! A sound store has no problems, and each kind of damage is named.

use a2n_proto::execution::ExecutionStatus;

use super::verify;
use crate::store::history::mover;
use crate::store::keys::{Key, KeyRange};
use crate::store::testing::{World, a_trigger, an_execution, at, trigger_id, workflow_id};
use crate::store::{Origin, workflow_trigger};
use crate::store::{execution, idempotency, rows, schema};

fn full() -> World {
    let world = World::new();
    world.write(1, |tx| {
        workflow_trigger::put(tx, &a_trigger(1, "hourly"))?;
        for n in 0..20 {
            let mut one = an_execution(n, ExecutionStatus::Success);
            one.trigger_id = (n % 2 == 0).then(|| trigger_id(1));
            execution::insert(tx, &one, vec![1; 6000])?;
        }
        idempotency::put(tx, "alice", "workflow.run", "k", [0; 32], "x")?;
        tx.audit("a", "b", "c", a2n_proto::Json::null(), a2n_proto::Json::null());
        Ok(())
    });
    let limits = mover::Limits { keep: 10, batch: 100 };
    mover::move_some(&world.store, &Origin::daemon(at(9), "MOVER"), &limits).unwrap();
    world
}

fn problems(world: &World) -> Vec<String> {
    let report = verify(&world.store).unwrap();
    report.problems.into_iter().map(|p| format!("{} {}", p.table, p.what)).collect()
}

#[test]
fn a_sound_store_has_no_problems() {
    let world = full();
    let report = verify(&world.store).unwrap();
    assert_eq!(report.problems, []);
    assert!(report.is_ok() && report.rows > 100 && report.files == 2, "{report:?}");
}

#[test]
fn each_kind_of_damage_is_named() {
    let id = *workflow_id(1).as_bytes();
    let world = full();
    world.flip(schema::WORKFLOW, Key::of_id(&id));
    assert!(problems(&world).contains(&"workflow the checksum does not fit".to_owned()));

    let world = full();
    world.write(2, |tx| {
        rows::remove(
            tx,
            schema::WORKFLOW_BY_TAG,
            &Key::new().text("daily").id(workflow_id(1).as_bytes()),
        )
    });
    assert_eq!(problems(&world), ["workflow its entry in workflow_by_tag is missing"]);

    let world = full();
    world.write(2, |tx| {
        let stray = Key::new().text("weekly").id(workflow_id(1).as_bytes());
        rows::mark(tx, schema::WORKFLOW_BY_TAG, &stray)
    });
    assert_eq!(problems(&world), ["workflow_by_tag the entry leads to no row that has it"]);

    let world = full();
    world.write(2, |tx| workflow_trigger::remove_row(tx, trigger_id(1)));
    let found = problems(&world);
    assert!(found.len() == 5 && found[0].contains("triggerId"), "{found:?}");

    let world = full();
    world.write(2, |tx| {
        let first = rows::some_keys(tx, schema::FEED, &KeyRange::all(), 1)?;
        rows::remove(
            tx,
            schema::EXECUTION_STATE,
            &Key::of_id(crate::store::testing::execution_id(15).as_bytes()),
        )?;
        assert_eq!(first.len(), 1);
        Ok(())
    });
    assert!(problems(&world)[0].contains("keeps apart"), "{:?}", problems(&world));
}
