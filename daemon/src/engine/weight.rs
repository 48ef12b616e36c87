//! What a value comes to when all of it is walked. minijinja counts a list's own elements and not what
//! is within those, so a short text may name a value that no walk ends on: `x` in itself twice, forty
//! times over. Whoever walks a whole value does it here, or has it weighed here before.
//!
//! Weights are units of fuel, and are taken from the same fuel that instructions and filters use up.

use std::cmp::Ordering;

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::language::FUEL;
use super::value;

/// Units in one fuel, as minijinja has it: a byte of data costs one.
pub(super) const UNITS: u64 = 64;
/// Units of one element that is looked at.
const ELEMENT: u64 = 16;
/// Units of one place in a list that is made, as minijinja has it.
pub(super) const PLACE: u64 = 32;
/// Largest key, in bytes of text: it is hashed anew whenever something looks for it.
const KEY_BYTES: u64 = 64 << 10;
/// Deepest nesting that is walked: comparing and showing go down by recursion.
const DEPTH: usize = 200;

/// What a byte of text costs whoever walks over it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Walk {
    /// It is written or changed: one unit.
    Write,
    /// It is compared or hashed: a sixteenth.
    Look,
}

/// Counts what a walk comes to, and ends it where the evaluation's fuel would be over.
#[derive(Debug)]
pub(super) struct Meter {
    had: u64,
    left: u64,
}

impl Meter {
    /// With all the fuel that is left.
    pub(super) fn new(state: &State<'_, '_>) -> Self {
        let left = state.fuel_levels().map_or(u64::MAX, |(_, left)| left.saturating_mul(UNITS));
        Self { had: left, left }
    }

    /// Counts units.
    pub(super) fn spend(&mut self, units: u64) -> Result<(), Error> {
        self.left = self.left.checked_sub(units).ok_or_else(too_much)?;
        Ok(())
    }

    /// Units so far.
    pub(super) fn spent(&self) -> u64 {
        self.had - self.left
    }

    /// Takes what was spent from the evaluation's fuel.
    pub(super) fn settle(self, state: &State<'_, '_>) -> Result<(), Error> {
        charge(state, self.spent())
    }

    /// Weighs a whole value.
    pub(super) fn weigh(&mut self, value: &Value, walk: Walk) -> Result<(), Error> {
        self.walk(value, walk, 0)
    }

    fn text(&mut self, len: usize, walk: Walk) -> Result<(), Error> {
        let len = len as u64;
        self.spend(match walk {
            Walk::Write => len,
            Walk::Look => len / 16,
        })
    }

    fn walk(&mut self, value: &Value, walk: Walk, depth: usize) -> Result<(), Error> {
        let Some(object) = value.as_object() else {
            return value.as_str().map_or(Ok(()), |text| self.text(text.len(), walk));
        };
        if let Some(len) = value::json_len(value) {
            // Its text says how large it is, without being read.
            return self.text(len, walk);
        }
        let depth = deeper(depth)?;
        self.spend(ELEMENT)?;
        if value.kind() == ValueKind::Map {
            for (key, member) in object.try_iter_pairs().into_iter().flatten() {
                self.spend(2 * ELEMENT)?;
                self.walk(&key, walk, depth)?;
                self.walk(&member, walk, depth)?;
            }
        } else {
            for element in object.try_iter().into_iter().flatten() {
                self.spend(ELEMENT)?;
                self.walk(&element, walk, depth)?;
            }
        }
        Ok(())
    }

    /// Whether two values are the same, as `==` has it; no more is looked at than it takes.
    pub(super) fn equal(&mut self, a: &Value, b: &Value) -> Result<bool, Error> {
        self.equal_at(a, b, 0)
    }

    fn equal_at(&mut self, a: &Value, b: &Value, depth: usize) -> Result<bool, Error> {
        let (Some(left), Some(right)) = (a.as_object(), b.as_object()) else {
            self.both(a, b)?;
            return Ok(a == b);
        };
        if minijinja::tests::is_sameas(a, b) {
            return Ok(true);
        }
        if a.is_tuple() != b.is_tuple() {
            return Ok(false);
        }
        let depth = deeper(depth)?;
        match (a.kind(), b.kind()) {
            (ValueKind::Map, ValueKind::Map) => {
                if let (Some(left), Some(right)) = (a.len(), b.len())
                    && left != right
                {
                    return Ok(false);
                }
                let mut members = 0;
                for (key, member) in left.try_iter_pairs().into_iter().flatten() {
                    members += 1;
                    self.spend(2 * ELEMENT)?;
                    self.walk(&key, Walk::Look, depth)?;
                    match right.get_value(&key) {
                        Some(other) if self.equal_at(&other, &member, depth)? => {}
                        _ => return Ok(false),
                    }
                }
                Ok(a.len().is_some() || right.try_iter().map_or(0, Iterator::count) == members)
            }
            (ValueKind::Seq | ValueKind::Iterable, ValueKind::Seq | ValueKind::Iterable) => {
                let (Some(mut left), Some(mut right)) = (left.try_iter(), right.try_iter()) else {
                    return Ok(false);
                };
                loop {
                    self.spend(ELEMENT)?;
                    match (left.next(), right.next()) {
                        (Some(a), Some(b)) if self.equal_at(&a, &b, depth)? => {}
                        (None, None) => return Ok(true),
                        _ => return Ok(false),
                    }
                }
            }
            _ => Ok(a == b),
        }
    }

    /// Which of two values comes first, as `<` has it; no more is looked at than it takes.
    pub(super) fn order(&mut self, a: &Value, b: &Value) -> Result<Ordering, Error> {
        self.order_at(a, b, 0)
    }

    fn order_at(&mut self, a: &Value, b: &Value, depth: usize) -> Result<Ordering, Error> {
        let (Some(left), Some(right)) = (a.as_object(), b.as_object()) else {
            self.both(a, b)?;
            return Ok(a.cmp(b));
        };
        if a.kind() != b.kind() || !is_container(a) {
            return Ok(a.cmp(b));
        }
        if a.is_tuple() != b.is_tuple() {
            return Ok(a.is_tuple().cmp(&b.is_tuple()));
        }
        if minijinja::tests::is_sameas(a, b) {
            return Ok(Ordering::Equal);
        }
        let depth = deeper(depth)?;
        // The elements of a list come with their numbers, which are the same on both sides.
        let (Some(mut left), Some(mut right)) = (left.try_iter_pairs(), right.try_iter_pairs())
        else {
            return Ok(a.cmp(b));
        };
        loop {
            self.spend(ELEMENT)?;
            let ((key, member), (other_key, other)) = match (left.next(), right.next()) {
                (Some(left), Some(right)) => (left, right),
                (left, right) => return Ok(left.is_some().cmp(&right.is_some())),
            };
            let order = match self.order_at(&key, &other_key, depth)? {
                Ordering::Equal => self.order_at(&member, &other, depth)?,
                order => order,
            };
            if order != Ordering::Equal {
                return Ok(order);
            }
        }
    }

    /// Two texts are compared as far as the shorter one goes.
    fn both(&mut self, a: &Value, b: &Value) -> Result<(), Error> {
        match (a.as_str(), b.as_str()) {
            (Some(a), Some(b)) => self.text(a.len().min(b.len()), Walk::Look),
            _ => Ok(()),
        }
    }
}

/// Weighs values and takes that from the evaluation's fuel; what can't be large costs nothing.
pub(super) fn weigh<'v>(
    state: &State<'_, '_>,
    values: impl IntoIterator<Item = &'v Value>,
    walk: Walk,
) -> Result<(), Error> {
    let mut meter = Meter::new(state);
    for value in values {
        meter.weigh(value, walk)?;
    }
    meter.settle(state)
}

/// Refuses a key that is too large to be hashed time and again.
pub(super) fn key(state: &State<'_, '_>, key: &Value) -> Result<(), Error> {
    if key.as_object().is_none() && key.as_str().is_none() {
        return Ok(());
    }
    let mut meter = Meter { had: KEY_BYTES, left: KEY_BYTES };
    meter.weigh(key, Walk::Write).map_err(|_| {
        let limit = KEY_BYTES >> 10;
        bad(format!("a key may come to {limit} KiB; this one comes to more"))
    })?;
    charge(state, meter.spent() / 16)
}

/// Takes units from the evaluation's fuel.
pub(super) fn charge(state: &State<'_, '_>, units: u64) -> Result<(), Error> {
    state.consume_fuel(units / UNITS).map_err(|_| too_much())
}

/// Whether there is something within a value.
pub(super) fn is_container(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map)
}

fn deeper(depth: usize) -> Result<usize, Error> {
    if depth >= DEPTH {
        return Err(bad(format!("a value may be nested {DEPTH} levels deep; this one is deeper")));
    }
    Ok(depth + 1)
}

fn too_much() -> Error {
    bad(format!(
        "an expression may come to about {} values or {} MiB of text; this one comes to more",
        FUEL * UNITS / ELEMENT,
        (FUEL * UNITS) >> 20,
    ))
}

pub(super) fn bad(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
