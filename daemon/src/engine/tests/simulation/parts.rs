//! Random workflows with parts in them: loops both ways, `try`, `break`, `join: ANY`, and what runs at
//! the end. A part is drawn after those before it and hangs on some of what leads on from them.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::chance::Chance;
use super::members::{config, handles, members, next_kind, settings};

/// What may lead on: a node and one of its handles.
type Way = (String, &'static str);

const STEPS: &[(usize, &str)] = &[
    (12, "job"),
    (8, "get"),
    (2, "bulk"),
    (4, "set"),
    (4, "if"),
    (2, "filter"),
    (5, "list"),
    (4, "all"),
    (3, "wait"),
    (2, "bad"),
    (1, "stop"),
    (2, "ask"),
    (3, "lock"),
    (3, "free"),
    (1, "sure"),
    (1, "hear"),
    (2, "child"),
];

/// Nodes after which no part is begun.
const ENOUGH: usize = 12;
/// Parts within parts.
const DEEPEST: usize = 3;

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Step,
    Merge,
    ForEach,
    Rounds,
    Natural,
    Try,
    Break,
}

/// A workflow of a seed's chance. Not every one is valid.
pub(super) fn workflow(chance: &mut Chance) -> String {
    let mut maker = Maker {
        chance,
        nodes: String::new(),
        connections: BTreeSet::new(),
        made: 0,
        around: Vec::new(),
        at_end: false,
    };
    let mut ways = maker.step(&[]);
    if maker.chance.percent(25) {
        ways.extend(maker.step(&[]));
    }
    let length = 1 + maker.chance.below(4);
    let ways = maker.sequence(ways, length);
    if maker.chance.percent(25) {
        maker.at_the_end(&ways);
    }
    let connections: String = maker.connections.iter().map(|line| format!("{line}\n")).collect();
    maker.nodes + &connections + &settings(chance)
}

struct Maker<'c> {
    chance: &'c mut Chance,
    nodes: String,
    connections: BTreeSet<String>,
    made: usize,
    /// The parts around what is being drawn.
    around: Vec<Part>,
    /// Whether what is being drawn runs at the end.
    at_end: bool,
}

impl Maker<'_> {
    fn node(&mut self, kind: &str, config: &Value, mut more: Map<String, Value>) -> String {
        if self.at_end {
            more.insert("finally".into(), true.into());
        }
        let id = format!("n{}", self.made);
        self.made += 1;
        writeln!(self.nodes, "{id}: {kind} {config} {}", Value::from(more)).unwrap();
        id
    }

    /// Up to so many connections from some of these; at least one where there are any.
    fn connect(&mut self, from: &[Way], most: usize, to: &str) {
        for _ in 0..most {
            if !from.is_empty() {
                let near = self.chance.below(from.len()).max(self.chance.below(from.len()));
                let (source, handle) = &from[near];
                self.connections.insert(format!("{source}.{handle} -> {to}"));
            }
        }
    }

    /// Parts one after the other, each of which something leads to; what leads on from all of them.
    fn sequence(&mut self, mut ways: Vec<Way>, length: usize) -> Vec<Way> {
        for n in 0..length {
            if n > 0 && self.made > ENOUGH {
                break;
            }
            let in_loop = self.around.iter().rev().find(|part| **part != Part::Try);
            let may_break = n > 0 && matches!(in_loop, Some(Part::ForEach | Part::Rounds));
            let fits = self.around.len() < DEEPEST && self.made <= ENOUGH;
            let if_it_fits = |weight| if fits { weight } else { 0 };
            let part = self.chance.weighted(&[
                (10, Part::Step),
                (2, Part::Merge),
                (if_it_fits(4), Part::ForEach),
                (if_it_fits(2), Part::Rounds),
                (if_it_fits(4), Part::Natural),
                (if_it_fits(4), Part::Try),
                (if may_break { 5 } else { 0 }, Part::Break),
            ]);
            let more = self.part(part, &ways);
            ways.extend(more);
        }
        ways
    }

    fn part(&mut self, part: Part, ways: &[Way]) -> Vec<Way> {
        match part {
            Part::Step => self.step(ways),
            Part::Merge => {
                let id = self.node("merge", &json!({}), Map::new());
                for n in 1..4 {
                    self.connect(ways, 1, &format!("{id}.input{n}"));
                }
                vec![(id, "output")]
            }
            Part::ForEach => {
                let batch = self.chance.pick(&[1, 1, 2]);
                let mut config = json!({"batch": batch});
                if self.chance.percent(50) {
                    let count = self.chance.below(5);
                    config["forEach"] = (0..count).collect();
                }
                if self.chance.percent(15) {
                    config["while"] = "{{ loop.index < 2 }}".into();
                }
                self.body(part, "loop", &config, ways)
            }
            Part::Rounds => {
                let most = self.chance.pick(&[0, 1, 2, 3]);
                let config = json!({"while": format!("{{{{ loop.index < {most} }}}}")});
                self.body(part, "loop", &config, ways)
            }
            Part::Try => self.body(part, "try", &json!({}), ways),
            Part::Natural => self.natural(ways),
            Part::Break => {
                let id = self.node("break", &json!({}), Map::new());
                self.connect(ways, 1, &format!("{id}.input"));
                Vec::new()
            }
        }
    }

    fn step(&mut self, ways: &[Way]) -> Vec<Way> {
        let kind = next_kind(self.chance, STEPS, &self.nodes);
        let (config, mut more) = (config(self.chance, kind), members(self.chance, kind));
        if self.chance.percent(20) {
            more.insert("join".into(), "ANY".into());
        }
        let handles = handles(kind, &more);
        let id = self.node(kind, &config, more);
        let most = 1 + self.chance.below(3);
        self.connect(ways, most, &format!("{id}.input"));
        handles.into_iter().map(|handle| (id.clone(), handle)).collect()
    }

    /// A node that stands for a part of the document, with what is in it.
    fn body(&mut self, part: Part, kind: &str, config: &Value, ways: &[Way]) -> Vec<Way> {
        let is_loop = part != Part::Try;
        let (into, out) = if is_loop { ("loop", "done") } else { ("try", "catch") };
        let mut more = Map::new();
        if is_loop && self.chance.percent(35) {
            more.insert("concurrency".into(), self.chance.pick(&[2, 5]).into());
        }
        if is_loop && self.chance.percent(15) {
            more.insert("maxIterations".into(), self.chance.pick(&[1, 2, 3]).into());
        }
        if self.chance.percent(15) {
            more.insert("runOnEmpty".into(), true.into());
        }
        if self.chance.percent(15) {
            more.insert("join".into(), "ANY".into());
        }
        if self.chance.percent(20) {
            more.insert("onError".into(), "CONTINUE".into());
        }
        let id = self.node(kind, config, more);
        let most = 1 + self.chance.below(2);
        self.connect(ways, most, &format!("{id}.input"));
        let length = 1 + self.chance.below(3);
        self.around.push(part);
        let inner = self.sequence(vec![(id.clone(), into)], length).split_off(1);
        self.around.pop();
        if is_loop && self.chance.percent(60) {
            let most = 1 + self.chance.below(2);
            self.connect(&inner, most, &format!("{id}.input"));
        }
        let mut leads: Vec<Way> = vec![(id, out)];
        if self.chance.percent(40) {
            leads.extend(inner);
        }
        leads
    }

    /// A loop by a connection back.
    fn natural(&mut self, ways: &[Way]) -> Vec<Way> {
        let kind = self.chance.pick(&["job", "get", "all", "set", "list"]);
        let (config, mut more) = (config(self.chance, kind), members(self.chance, kind));
        more.insert("maxIterations".into(), (1 + self.chance.below(4)).into());
        if self.chance.percent(20) {
            more.insert("join".into(), "ANY".into());
        }
        let entry = self.node(kind, &config, more);
        let most = 1 + self.chance.below(2);
        self.connect(ways, most, &format!("{entry}.input"));
        let length = self.chance.below(3);
        self.around.push(Part::Natural);
        let inner = self.sequence(vec![(entry.clone(), "output")], length);
        self.around.pop();
        let most = self.chance.pick(&[0, 1, 2, 9]);
        let decide = json!({"where": format!("{{{{ loop.index >= {most} }}}}")});
        let way_out = self.node("if", &decide, Map::new());
        let near = inner.len().saturating_sub(2);
        self.connect(&inner[near..], 1, &format!("{way_out}.input"));
        self.connections.insert(format!("{way_out}.false -> {entry}.input"));
        if self.chance.percent(15) {
            self.connect(&inner, 1, &format!("{entry}.input"));
        }
        let mut leads: Vec<Way> = vec![(way_out, "true")];
        if self.chance.percent(40) {
            leads.extend(inner);
        }
        leads
    }

    /// What runs at the end, some of it after what ran before.
    fn at_the_end(&mut self, before: &[Way]) {
        self.at_end = true;
        let mut ways = self.step(&[]);
        if self.chance.percent(40) {
            ways.extend(self.step(before));
        }
        let length = self.chance.below(3);
        self.sequence(ways, length);
    }
}
