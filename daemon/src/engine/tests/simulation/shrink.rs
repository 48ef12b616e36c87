//! Makes a failing story shorter while the same rule does not hold: moves are left out, then nodes,
//! connections and settings.

use serde_json::{Map, Value};

use super::story::Story;

/// The shortest story found in which this rule does not hold either.
pub(super) fn shrink(mut story: Story, rule: &str) -> Story {
    let fails = |story: &Story| {
        story.plan().is_some_and(|plan| story.play(&plan).is_err_and(|wrong| wrong.rule == rule))
    };
    loop {
        let before = story.clone();
        let mut part = story.moves.len().div_ceil(2);
        while part > 0 {
            let mut at = 0;
            while at < story.moves.len() {
                let mut less = story.clone();
                less.moves.drain(at..(at + part).min(story.moves.len()));
                if fails(&less) { story = less } else { at += part }
            }
            part /= 2;
        }
        let lines: Vec<String> = story.workflow.lines().map(str::to_owned).collect();
        for line in &lines {
            let less = Story { workflow: without(&story.workflow, line), ..story.clone() };
            if less.workflow != story.workflow && fails(&less) {
                story = less;
            }
        }
        let gentler = [
            Story { cancelled: false, ..story.clone() },
            Story { paused: false, ..story.clone() },
            Story { again: None, ..story.clone() },
            Story { before: Vec::new(), ..story.clone() },
        ];
        for gentle in gentler {
            if gentle != story && fails(&gentle) {
                story = gentle;
            }
        }
        for line in story.workflow.clone().lines() {
            for less in plainer(line) {
                let workflow = story.workflow.replace(line, &less);
                let less = Story { workflow, ..story.clone() };
                if fails(&less) {
                    story = less;
                    break;
                }
            }
        }
        if story == before {
            return story;
        }
    }
}

/// A workflow without a line, and without the connections of the node that it declares.
fn without(workflow: &str, line: &str) -> String {
    let node = line.split_once(": ").map(|(id, _)| id).filter(|_| !line.contains(" -> "));
    let about_it = |other: &str| {
        let Some((from, to)) = other.split_once(" -> ") else { return false };
        let of = |end: &str| end.split('.').next().map(str::to_owned);
        node.is_some_and(|id| [of(from), of(to)].contains(&Some(id.to_owned())))
    };
    let kept = workflow.lines().filter(|other| *other != line && !about_it(other));
    kept.map(|line| format!("{line}\n")).collect()
}

/// A node's line with one of its members left out.
fn plainer(line: &str) -> Vec<String> {
    let Some((declared, more)) = line.split_once("} {") else { return Vec::new() };
    let Ok(members) = serde_json::from_str::<Map<String, Value>>(&format!("{{{more}")) else {
        return Vec::new();
    };
    let without = |name: &String| {
        let mut members = members.clone();
        members.remove(name);
        format!("{declared}}} {}", Value::from(members))
    };
    members.keys().map(without).collect()
}
