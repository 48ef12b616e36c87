//! A state as bytes for the store: packed whole, and behind that the facts of the steps since.
//!
//! A state grows with what an execution does, a step changes little of it. So a commit adds the facts
//! of its step, and the state is packed anew once these come to as much as it did: what is written
//! over the life of an execution grows as its facts do, and what is read after a crash is at most
//! about twice the state.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::execution::{Folded, State};
use crate::engine::fact::Fact;
use crate::store::execution::{Pieces, Written};

/// The version of the form that is written.
const VERSION: u8 = 3;
/// The one before it, which had nothing behind the state.
const WHOLE_ONLY: u8 = 2;
/// States of so many bytes are packed at each step: that is as cheap as adding to them, and the store
/// keeps them within the execution's own row.
const SMALL: usize = 4_096;

/// How many bytes a state is kept in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// When it was last packed.
    whole: usize,
    /// Facts since.
    added: usize,
}

impl Size {
    /// How a state is written after a step that found these facts.
    pub(in crate::engine) fn written(&mut self, state: &State, facts: &[Fact]) -> Written {
        // One that is over is read and moved in one piece.
        if self.whole > SMALL && !state.status().is_ended() {
            let added = encoded(facts);
            if self.added + added.size() <= self.whole {
                self.added += added.size();
                return Written::Added(added);
            }
        }
        let whole = versioned(state);
        *self = Self { whole: whole.size(), added: 0 };
        Written::Whole(whole)
    }
}

/// A state's bytes.
pub fn pack(state: &State) -> Vec<u8> {
    versioned(state).joined()
}

/// The state in bytes from the store; none where they are of another version or damaged.
pub fn unpack(bytes: &[u8]) -> Option<State> {
    read(bytes).map(|(state, _)| state)
}

/// The same, with what it is kept in.
pub(super) fn read(bytes: &[u8]) -> Option<(State, Size)> {
    let body = versioned_body(bytes)?;
    let (mut state, mut at) = decoded::<State>(body)?;
    let size = Size { whole: 1 + at, added: body.len() - at };
    while at < body.len() {
        let (facts, length) = decoded::<Vec<Fact>>(&body[at..])?;
        // Iterations that a fact takes out are kept by themselves.
        facts.iter().for_each(|fact| drop(state.apply(fact)));
        at += length;
    }
    Some((state, size))
}

/// The bytes of an iteration that is over.
pub(super) fn iteration(folded: &Folded) -> Vec<u8> {
    versioned(folded).joined()
}

/// The iteration in bytes from the store; none where they are of another version or damaged.
pub fn unpack_folded(bytes: &[u8]) -> Option<Folded> {
    decoded(versioned_body(bytes)?).map(|(folded, _)| folded)
}

fn versioned<T: Serialize>(value: &T) -> Pieces {
    let mut pieces = Pieces::from(vec![VERSION]);
    encode(value, &mut pieces);
    pieces
}

fn versioned_body(bytes: &[u8]) -> Option<&[u8]> {
    let (version, body) = bytes.split_first()?;
    matches!(*version, VERSION | WHOLE_ONLY).then_some(body)
}

fn encoded<T: Serialize + ?Sized>(value: &T) -> Pieces {
    let mut pieces = Pieces::default();
    encode(value, &mut pieces);
    pieces
}

/// A text is written in one piece, so that a large one stands apart.
fn encode<T: Serialize + ?Sized>(value: &T, pieces: &mut Pieces) {
    bincode::serde::encode_into_std_write(value, pieces, bincode::config::standard())
        .expect("states and facts have only types that bincode carries");
}

/// A value at the front of some bytes, and how many of them it takes.
fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Option<(T, usize)> {
    let config = bincode::config::standard().with_limit::<{ 1 << 30 }>();
    bincode::serde::decode_from_slice(bytes, config).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::scenario::{Run, plan};

    /// Joins what the store would keep.
    fn keep(kept: &mut Vec<u8>, written: Written) -> bool {
        match written {
            Written::Whole(whole) => {
                *kept = whole.joined();
                true
            }
            Written::Added(more) => {
                kept.extend(more.joined());
                false
            }
        }
    }

    /// Every commit of a long loop once wrote the whole state, which grows with the loop.
    #[test]
    fn what_is_written_grows_as_what_happens_does_and_reads_as_the_state() {
        let written = |items: usize| {
            let list: Vec<usize> = (0..items).collect();
            let plan = plan(&format!(
                "s: list {{\"of\": {}}}\nl: loop\na: job\nb: all\ns -> l\nl.loop -> a\na -> l\nl.done -> b",
                serde_json::to_string(&list).unwrap()
            ));
            let mut run = Run::new(&plan);
            let (mut size, mut kept) = (Size::default(), Vec::new());
            let (mut bytes, mut wholes, mut steps) = (0, 0, 0);
            let mut tell = |run: &mut Run<'_>| {
                let facts = std::mem::take(&mut run.facts);
                let written = size.written(&run.state, &facts);
                steps += 1;
                let (Written::Whole(some) | Written::Added(some)) = &written;
                bytes += some.size();
                wholes += usize::from(keep(&mut kept, written));
                if steps % 50 == 0 || run.state.status().is_ended() {
                    let (state, again) = read(&kept).unwrap();
                    assert_eq!((&state, again), (&run.state, size));
                }
            };
            run.play("begin");
            tell(&mut run);
            while let Some(unit) = run.jobs.keys().next().cloned() {
                run.end(&unit, Ok(vec![a2n_proto::Json::of(&"some result of this iteration")]));
                run.journal.clear();
                tell(&mut run);
            }
            assert!(run.state.status().is_ended());
            (bytes, wholes)
        };
        let ((some, _), (more, wholes)) = (written(200), written(1_600));
        assert!(wholes < 200, "{wholes} of 1,601 steps wrote the whole");
        assert!(
            more < 10 * some,
            "{some} bytes for 200 iterations, {more} for eight times as many"
        );
    }

    #[test]
    fn a_large_value_stands_apart_and_comes_back() {
        let plan = plan("a: job\nb: job\na -> b");
        let mut run = Run::new(&plan);
        run.play("begin");
        let large = a2n_proto::Json::of(&"x".repeat(200_000));
        run.end("a#0", Ok(vec![large]));
        let facts = encoded(&run.facts);
        assert!(facts.size() < 5_000 && facts.clone().joined().len() > 400_000);
        let state = versioned(&run.state);
        assert!(state.size() < 5_000, "{}", state.size());
        assert_eq!(unpack(&state.joined()).as_ref(), Some(&run.state));
    }

    #[test]
    fn what_is_cut_off_or_of_another_version_is_no_state() {
        let plan = plan("a: job");
        let mut run = Run::new(&plan);
        run.play("begin");
        let mut bytes = pack(&State::new(crate::engine::scenario::start()));
        bytes.extend(encoded(&run.facts).joined());
        assert_eq!(unpack(&bytes).as_ref(), Some(&run.state));
        assert_eq!(unpack(&bytes[..bytes.len() - 1]), None);
        bytes[0] = VERSION + 1;
        assert_eq!(unpack(&bytes), None);
        assert_eq!(unpack(&[]), None);
    }
}
