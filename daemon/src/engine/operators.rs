//! The operators of the expression language that walk whole values or make large ones, in minijinja's
//! place: `guards` puts them into what was read. They do what minijinja's do, and count.
//!
//! Invariant: a list that comes out of one of them is a list of values that were paid for, and no
//! promise to repeat, join or skip, which would cost nothing until something walks it.

use std::cmp::Ordering;
use std::fmt::Write;

use minijinja::value::{ObjectRepr, Rest, StringInput, Value};
use minijinja::{AutoEscape, Environment, Error, State};

use super::lists::{settle, slice};
use super::weight::{self, Meter, PLACE, Walk, bad, is_container};

/// Names that no expression can spell.
pub(super) const CONCAT: &str = "$concat";
pub(super) const SETTLE: &str = "$settle";
pub(super) const SLICE: &str = "$slice";
pub(super) const WEIGHED: &str = "$weighed";
pub(super) const KEY: &str = "$key";
pub(super) const EQ: &str = "$eq";
pub(super) const NE: &str = "$ne";
pub(super) const LT: &str = "$lt";
pub(super) const LE: &str = "$le";
pub(super) const GT: &str = "$gt";
pub(super) const GE: &str = "$ge";
pub(super) const IN: &str = "$in";

/// Adds them.
pub(super) fn add(env: &mut Environment<'static>) {
    env.add_filter(CONCAT, concat);
    env.add_filter(SETTLE, settle);
    env.add_filter(SLICE, slice);
    env.add_filter(WEIGHED, |state: &State<'_, '_>, value: Value| {
        weight::weigh(state, [&value], Walk::Look).map(|()| value)
    });
    env.add_filter(KEY, |state: &State<'_, '_>, value: Value| {
        weight::key(state, &value).map(|()| value)
    });
    env.add_test(KEY, |state: &State<'_, '_>, value: &Value| {
        weight::key(state, value).map(|()| true)
    });
    env.add_test(IN, |state: &State<'_, '_>, value: &Value, within: &Value| {
        known(state, [within, value])?;
        contains(state, within, value)
    });
    // The operators want values that are there, the tests of the same names don't.
    equality(env, EQ, true, |same| same);
    equality(env, NE, true, |same| !same);
    for name in ["eq", "equalto", "=="] {
        equality(env, name, false, |same| same);
    }
    for name in ["ne", "!="] {
        equality(env, name, false, |same| !same);
    }
    for (operator, names, holds) in ORDERS {
        ordering(env, operator, true, holds);
        for name in names {
            ordering(env, name, false, holds);
        }
    }
    env.add_test("in", |state: &State<'_, '_>, value: &Value, within: &Value| {
        known(state, [within])?;
        let possible = is_container(within) || within.as_str().is_some();
        if possible { contains(state, within, value) } else { Ok(false) }
    });
}

type Holds = fn(Ordering) -> bool;

/// An operator, the names of its test, and when it holds.
const ORDERS: [(&str, [&str; 3], Holds); 4] = [
    (LT, ["lt", "lessthan", "<"], Ordering::is_lt),
    (LE, ["le", "<=", "<="], Ordering::is_le),
    (GT, ["gt", "greaterthan", ">"], Ordering::is_gt),
    (GE, ["ge", ">=", ">="], Ordering::is_ge),
];

fn equality(
    env: &mut Environment<'static>,
    name: &'static str,
    strict: bool,
    is: fn(bool) -> bool,
) {
    env.add_test(name, move |state: &State<'_, '_>, a: &Value, b: &Value| {
        if strict {
            known(state, [a, b])?;
        }
        let mut meter = Meter::new(state);
        let same = meter.equal(a, b)?;
        meter.settle(state).map(|()| is(same))
    });
}

fn ordering(env: &mut Environment<'static>, name: &'static str, strict: bool, holds: Holds) {
    env.add_test(name, move |state: &State<'_, '_>, a: &Value, b: &Value| {
        if strict {
            known(state, [a, b])?;
        }
        let mut meter = Meter::new(state);
        let order = meter.order(a, b)?;
        meter.settle(state).map(|()| holds(order))
    });
}

/// The error of a name that is not there, where a value is.
fn known<const N: usize>(state: &State<'_, '_>, values: [&Value; N]) -> Result<(), Error> {
    for value in values {
        if value.is_undefined() {
            StringInput::new(state, value)?;
        }
    }
    Ok(())
}

/// Whether a value is within another one.
pub(super) fn contains(
    state: &State<'_, '_>,
    within: &Value,
    value: &Value,
) -> Result<bool, Error> {
    if within.is_undefined() {
        return Ok(false);
    }
    let mut meter = Meter::new(state);
    let found = if let Some(text) = within.as_str() {
        meter.spend(text.len() as u64)?;
        if let Some(part) = value.as_str() {
            text.contains(part)
        } else {
            meter.weigh(value, Walk::Write)?;
            text.contains(&value.to_string())
        }
    } else {
        let object = within
            .as_object()
            .ok_or_else(|| bad("cannot perform a containment check on this value".to_owned()))?;
        match object.repr() {
            ObjectRepr::Map => {
                weight::key(state, value)?;
                object.get_value(value).is_some()
            }
            ObjectRepr::Seq | ObjectRepr::Iterable => {
                let mut found = false;
                for element in within.try_iter()?.checked() {
                    meter.spend(PLACE)?;
                    found = meter.equal(&element?, value)?;
                    if found {
                        break;
                    }
                }
                found
            }
            _ => false,
        }
    };
    meter.settle(state).map(|()| found)
}

/// Texts of values, one after the other.
fn concat(state: &mut State<'_, '_>, first: &Value, others: Rest<Value>) -> Result<Value, Error> {
    let mut meter = Meter::new(state);
    for value in std::iter::once(first).chain(&others.0) {
        known(state, [value])?;
        meter.weigh(value, Walk::Write)?;
    }
    if !matches!(state.auto_escape(), AutoEscape::None) {
        return others
            .0
            .iter()
            .try_fold(first.clone(), |before, value| join(state, &before, value));
    }
    let mut text = String::new();
    let mut written = 0;
    let mut safe = true;
    for value in std::iter::once(first).chain(&others.0) {
        safe &= value.is_safe();
        match value.as_str() {
            Some(part) => text.push_str(part),
            None => {
                let before = text.len();
                write!(text, "{value}").map_err(Error::from)?;
                written += if value.as_object().is_some() { text.len() - before } else { 0 };
            }
        }
    }
    // As for everything that is shown: a walk costs more than a copy, which is counted with the result.
    weight::charge(state, written as u64 * 15)?;
    Ok(if safe { Value::from_safe_string(text) } else { Value::from(text) })
}

/// Two values where texts are escaped: what was not marked as safe is, beside what was.
fn join(state: &mut State<'_, '_>, left: &Value, right: &Value) -> Result<Value, Error> {
    if left.is_safe() == right.is_safe() {
        let text = format!("{left}{right}");
        return Ok(match left.is_safe() {
            true => Value::from_safe_string(text),
            false => Value::from(text),
        });
    }
    let mut text = String::new();
    for value in [left, right] {
        match value.as_str() {
            Some(part) if value.is_safe() => text.push_str(part),
            _ => text.push_str(&state.format(value.clone())?),
        }
    }
    Ok(Value::from_safe_string(text))
}
