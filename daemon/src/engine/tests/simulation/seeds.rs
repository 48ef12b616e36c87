//! Many seeds. A failing one says its number and its shortest story.

use super::shrink::shrink;
use super::story::Story;

/// Seeds that an ordinary run plays.
const SEEDS: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} has to be a number")))
}

/// What is wrong with a seed, told as short as it comes.
fn wrong(seed: u64) -> Option<String> {
    let story = Story::of(seed);
    let Some(plan) = story.plan() else {
        return Some(format!("seed {seed} is no valid workflow:\n{}", story.workflow));
    };
    let rule = story.play(&plan).err()?.rule;
    let short = shrink(story, rule);
    let told = short.plan().map(|plan| short.told(&plan)).unwrap_or_default();
    Some(format!("seed {seed}: {rule}\n{told}"))
}

#[test]
fn whatever_happens_what_is_promised_holds() {
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let from = number("SIM_FROM").unwrap_or(0);
            from..from + number("SIM_SEEDS").unwrap_or(SEEDS)
        }
    };
    let mut failed = Vec::new();
    for seed in seeds {
        failed.extend(wrong(seed));
        if failed.len() >= 3 {
            break;
        }
    }
    assert!(
        failed.is_empty(),
        "run one again by SIM_SEED=n cargo test --workspace --lib simulation\n{}",
        failed.join("\n")
    );
}

#[test]
fn the_same_seed_gives_the_same_facts() {
    for seed in 0..100 {
        let play = || {
            let story = Story::of(seed);
            let plan = story.plan().unwrap();
            format!("{:?}", story.play(&plan))
        };
        assert_eq!(play(), play(), "seed {seed}");
    }
}

/// The stories are of use only where much of what may happen does.
#[test]
fn the_seeds_come_to_many_ends() {
    use crate::engine::fact::Fact;
    let mut seen = std::collections::BTreeMap::<&str, u32>::new();
    for seed in 0..400 {
        let story = Story::of(seed);
        let plan = story.plan().unwrap();
        for fact in story.play(&plan).unwrap_or_default() {
            let name = match fact {
                Fact::NodeSkipped { .. } => "skipped",
                Fact::UnitBackoff { .. } => "again",
                Fact::UnitWaiting { .. } => "waits",
                Fact::UnitInDoubt { .. } => "in doubt",
                Fact::UnitCancelled { .. } => "cancelled",
                Fact::UnitFailed { .. } => "failed",
                Fact::FailureNoted { .. } => "failure noted",
                Fact::Paused { .. } => "paused",
                Fact::AttemptEnded { lost: true, .. } => "lost",
                Fact::UnitRequested { .. } => "asked",
                Fact::LockTaken { .. } => "lock taken",
                Fact::LockReleased { .. } => "lock released",
                Fact::NodeStarted { took: Some(_), .. } => "join taken",
                Fact::LoopBegan { iterations: Some(_), .. } => "loop",
                Fact::LoopBegan { .. } => "natural loop",
                Fact::LoopSkipped { .. } => "loop passed by",
                Fact::LoopClosing { broken: Some(_), .. } => "broken",
                Fact::LoopClosing { .. } => "loop closed",
                Fact::IterationFolded { .. } => "iteration put away",
                Fact::IterationBegan { node, .. } if !node.iteration.is_empty() => "loop in a loop",
                Fact::IterationBegan { .. } => "iteration",
                Fact::Caught { .. } => "caught",
                Fact::FinallyBegan { .. } => "finally",
                Fact::FinallyFailed { .. } => "failed at the end",
                Fact::FinallyStopped { .. } => "stopped at the end",
                Fact::Ended { status, .. } => match status {
                    a2n_proto::execution::ExecutionStatus::Success => "SUCCESS",
                    a2n_proto::execution::ExecutionStatus::Failed => "FAILED",
                    _ => "CANCELLED",
                },
                _ => continue,
            };
            *seen.entry(name).or_default() += 1;
        }
    }
    assert_eq!(seen.len(), 28, "{seen:?}");
    assert!(seen.values().all(|count| *count >= 5), "{seen:?}");
}
