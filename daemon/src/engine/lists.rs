//! Lists, each element of which was paid for. Where minijinja makes a promise to repeat, join, skip or
//! add up, which costs nothing until something walks it, a list is made here, or nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::{
    Enumerator, Object, ObjectRepr, Rest, Tuple, Value, ValueKind, ValueOrKwargs,
};
use minijinja::{Error, State, filters};

use super::builtins::{known, option, part};
use super::weight::{self, Meter, PLACE, Walk, bad, is_container};

/// A list that keeps the kind of what minijinja would have promised: something to go through.
#[derive(Debug)]
pub(super) struct List(Vec<Value>);

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).cloned()
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
}

impl List {
    /// A value of a list.
    pub(super) fn value(elements: Vec<Value>) -> Value {
        Value::from_object(Self(elements))
    }
}

/// The elements of a list, each paid for. What can't be used is an error for whoever uses it.
pub(super) fn elements(state: &State<'_, '_>, list: &Value) -> Result<Vec<Value>, Error> {
    let mut meter = Meter::new(state);
    let len = list.len();
    // Before the first one, where a list says how long it is.
    meter.spend(PLACE.saturating_mul(len.unwrap_or(0) as u64))?;
    let mut elements = Vec::new();
    for element in list.try_iter()? {
        if len.is_none() {
            meter.spend(PLACE)?;
        }
        elements.push(element);
    }
    meter.settle(state)?;
    Ok(elements)
}

/// What `+` and `*` made: a promise becomes a list.
pub(super) fn settle(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    if value.kind() != ValueKind::Iterable || value.downcast_object_ref::<List>().is_some() {
        return Ok(value);
    }
    elements(state, &value).map(List::value)
}

/// A part of a list or text.
pub(super) fn slice(
    state: &State<'_, '_>,
    value: Value,
    start: Value,
    stop: Value,
    step: Value,
) -> Result<Value, Error> {
    if value.is_undefined() {
        // The error of something that is not there.
        value.get_item(&start)?;
    }
    let number = |value: Value| match value.is_none() {
        true => Ok(None),
        false => i64::try_from(value).map(Some),
    };
    let (start, stop) = (number(start)?, number(stop)?);
    let step = number(step)?.unwrap_or(1);
    if step == 0 {
        return Err(bad("cannot slice by step size of 0".to_owned()));
    }
    let part = |len: usize| Part::new(len, start, stop, step);
    match value.kind() {
        ValueKind::None => Ok(Value::from(Vec::<Value>::new())),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            if text.is_ascii() {
                let part = part(text.len());
                if let Some(whole) = part.range().and_then(|range| text.get(range)) {
                    return Ok(Value::from(whole));
                }
                let bytes = text.as_bytes();
                return Ok(Value::from(
                    part.places().map(|at| char::from(bytes[at])).collect::<String>(),
                ));
            }
            let characters: Vec<char> = text.chars().collect();
            let places = part(characters.len()).places();
            Ok(Value::from(places.map(|at| characters[at]).collect::<String>()))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            // What has places is looked at only there; all else is gone through.
            let by_place =
                value.kind() == ValueKind::Seq || value.downcast_object_ref::<List>().is_some();
            let taken = match value.len() {
                Some(len) if by_place => {
                    let part = part(len);
                    weight::charge(state, part.count.saturating_mul(PLACE))?;
                    part.places().map(|at| value.get_item_by_index(at)).collect::<Result<_, _>>()?
                }
                _ => {
                    let all = elements(state, &value)?;
                    part(all.len()).places().map(|at| all[at].clone()).collect()
                }
            };
            Ok(if value.is_tuple() { Value::from(Tuple::from(taken)) } else { List::value(taken) })
        }
        kind => Err(bad(format!("value of type {kind} cannot be sliced"))),
    }
}

/// The places that a slice names.
#[derive(Clone, Copy)]
struct Part {
    from: i64,
    count: u64,
    step: i64,
}

impl Part {
    fn new(len: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> Self {
        let len = i64::try_from(len).unwrap_or(i64::MAX);
        let (first, last) = if step > 0 { (0, len) } else { (-1, len - 1) };
        let place = |at: i64| if at < 0 { (len + at).max(first) } else { at.min(last) };
        let from = start.map_or(if step > 0 { 0 } else { last }, place);
        let to = stop.map_or(if step > 0 { len } else { -1 }, place);
        let between = if step > 0 { to - from } else { from - to };
        let count = u64::try_from(between).unwrap_or(0).div_ceil(step.unsigned_abs());
        Self { from, count, step }
    }

    /// In their order.
    fn places(self) -> impl Iterator<Item = usize> {
        let step = i128::from(self.step);
        (0..self.count)
            .filter_map(move |n| usize::try_from(i128::from(self.from) + i128::from(n) * step).ok())
    }

    /// Where they stand side by side.
    fn range(self) -> Option<std::ops::Range<usize>> {
        let from = usize::try_from(self.from).ok().filter(|_| self.step == 1)?;
        Some(from..from + usize::try_from(self.count).ok()?)
    }
}

/// Maps as one, or lists one after the other. minijinja's is a promise that looks into each of its
/// parts for every element.
pub(super) fn chain(
    state: &State<'_, '_>,
    first: Value,
    others: Rest<Value>,
) -> Result<Value, Error> {
    let all: Vec<Value> = std::iter::once(first).chain(others.0).collect();
    if all.iter().all(|value| value.kind() == ValueKind::Map) {
        let mut pairs = BTreeMap::new();
        for map in &all {
            let mut meter = Meter::new(state);
            for (key, member) in
                map.as_object().and_then(|map| map.try_iter_pairs()).into_iter().flatten()
            {
                meter.spend(2 * PLACE)?;
                meter.weigh(&key, Walk::Look)?;
                if !member.is_undefined() || !pairs.contains_key(&key) {
                    pairs.insert(key, member);
                }
            }
            meter.settle(state)?;
        }
        return Ok(Value::from_pairs(pairs));
    }
    let lists = all.iter().all(|value| value.kind() == ValueKind::Seq);
    let mut joined = Vec::new();
    for value in &all {
        joined.extend(elements(state, value)?);
    }
    Ok(if lists { Value::from(joined) } else { List::value(joined) })
}

/// A sum. minijinja's adds lists and texts one to the other, each time anew.
pub(super) fn sum(state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = args.into_values();
    let start = match args.get(2).filter(|start| !start.is_kwargs()) {
        Some(start) => Some(start.clone()),
        None => option(&args, "start"),
    };
    let plain = Value::from_function(filters::sum);
    let Some(start) = start.filter(|start| !start.is_number()) else {
        return plain.call(state, &args);
    };
    let attribute = match args.get(1).filter(|name| !name.is_kwargs()) {
        Some(name) => name.as_str().map(str::to_owned),
        None => option(&args, "attribute").and_then(|name| name.as_str().map(str::to_owned)),
    };
    known(state, &args)?;
    let list = args.first().cloned().unwrap_or_default();
    let mut text = start.as_str().map(str::to_owned);
    let mut all = if is_container(&start) { elements(state, &start)? } else { vec![] };
    let mut meter = Meter::new(state);
    let mut nothing = true;
    for element in elements(state, &list)? {
        let element = match &attribute {
            Some(path) => part(&element, path).unwrap_or_default(),
            None => element,
        };
        if element.is_undefined() {
            continue;
        }
        nothing = false;
        match (&mut text, element.as_str()) {
            (Some(text), Some(part)) => {
                meter.spend(part.len() as u64)?;
                text.push_str(part);
            }
            (None, None) if is_container(&element) && element.kind() != ValueKind::Map => {
                all.extend(elements(state, &element)?);
            }
            // What can't be added is an error that names both.
            _ => {
                let pair = Value::from(vec![element]);
                return plain.call(state, &[pair, Value::from(()), start]);
            }
        }
    }
    meter.settle(state)?;
    if nothing {
        return Ok(start);
    }
    Ok(text.map_or_else(|| List::value(all), Value::from))
}
