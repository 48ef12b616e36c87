//! minijinja's own filters, tests and functions where they walk whole values, or make large ones before
//! they count: each is asked after its arguments were weighed, or has a like that counts as it goes.
//!
//! Who adds one to the language looks at what it does with a list within itself twice, forty times over.

use std::fmt::Write;

use minijinja::value::{Kwargs, Rest, StringInput, Value, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, State, filters, functions, tests};

use super::lists;
use super::weight::{self, Meter, PLACE, Walk, bad, charge, is_container};

type Weigh = fn(&State<'_, '_>, &mut [Value]) -> Result<(), Error>;

/// Puts them into the place of minijinja's.
pub(super) fn add(env: &mut Environment<'static>) {
    let mut guard = |name: &'static str, own: Value, weigh: Weigh| {
        env.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            let mut args = args.into_values();
            weigh(state, &mut args)?;
            own.call(state, &args)
        });
    };
    // These take anything as a text.
    guard("capitalize", Value::from_function(filters::capitalize), texts);
    guard("e", Value::from_function(filters::escape), texts);
    guard("escape", Value::from_function(filters::escape), texts);
    guard("format", Value::from_function(filters::format), format);
    guard("indent", Value::from_function(filters::indent), indent);
    guard("lower", Value::from_function(filters::lower), texts);
    guard("safe", Value::from_function(filters::safe), texts);
    guard("title", Value::from_function(filters::title), texts);
    guard("trim", Value::from_function(filters::trim), texts);
    guard("upper", Value::from_function(filters::upper), texts);
    // The names of an attribute and a test; what comes after is the test's.
    guard("reject", Value::from_function(filters::reject), |state, args| names(state, args, 1));
    guard("select", Value::from_function(filters::select), |state, args| names(state, args, 1));
    let (reject, select) = (filters::rejectattr, filters::selectattr);
    guard("rejectattr", Value::from_function(reject), |state, args| names(state, args, 2));
    guard("selectattr", Value::from_function(select), |state, args| names(state, args, 2));
    // These compare.
    guard("dictsort", Value::from_function(filters::dictsort), members);
    guard("groupby", Value::from_function(filters::groupby), |state, args| {
        known(state, args)?;
        sorted(state, args)?;
        let len = args.first().and_then(Value::len).unwrap_or(0);
        charge(state, steps(len).saturating_mul(len as u64).saturating_mul(PLACE))
    });
    guard("max", Value::from_function(filters::max), sorted);
    guard("min", Value::from_function(filters::min), sorted);
    guard("sort", Value::from_function(filters::sort), sorted);
    guard("unique", Value::from_function(filters::unique), sorted);
    // These look something up.
    guard("attr", Value::from_function(filters::attr), |state, args| {
        args.get(1).map_or(Ok(()), |key| weight::key(state, key))
    });
    guard("map", Value::from_function(filters::map), |state, args| {
        match option(args, "attribute") {
            Some(key) => weight::key(state, &key),
            None => Ok(()),
        }
    });
    // This repeats what it fills with.
    guard("batch", Value::from_function(filters::batch), |state, args| {
        let count = if args.len() > 2 { args.get(1).and_then(Value::as_usize) } else { None };
        charge(state, (count.unwrap_or(0) as u64).saturating_mul(PLACE))
    });
    env.add_filter("chain", lists::chain);
    env.add_filter("join", join);
    env.add_filter("replace", replace);
    env.add_filter("sum", lists::sum);
    env.add_function("dict", |state: &State<'_, '_>, value: Option<Value>, more: Kwargs| {
        if let Some(map) = value.as_ref().filter(|value| value.kind() == ValueKind::Map) {
            let mut meter = Meter::new(state);
            for key in map.try_iter()? {
                meter.spend(PLACE)?;
                meter.weigh(&key, Walk::Look)?;
            }
            meter.settle(state)?;
        }
        functions::dict(value, more)
    });
    let text = |state: &State<'_, '_>, values: [&Value; 2]| {
        let containers = values.into_iter().filter(|value| is_container(value));
        weight::weigh(state, containers, Walk::Write)?;
        weight::weigh(state, values, Walk::Look)
    };
    let length = |state: &State<'_, '_>, value: &Value| {
        charge(state, value.as_str().map_or(0, |text| text.len() as u64 / 16))
    };
    env.add_test("startingwith", move |state: &State<'_, '_>, value: &Value, part: &Value| {
        text(state, [value, part])?;
        let (value, part) = (StringInput::new(state, value)?, StringInput::new(state, part)?);
        Ok::<_, Error>(value.as_str().starts_with(part.as_str()))
    });
    env.add_test("endingwith", move |state: &State<'_, '_>, value: &Value, part: &Value| {
        text(state, [value, part])?;
        let (value, part) = (StringInput::new(state, value)?, StringInput::new(state, part)?);
        Ok::<_, Error>(value.as_str().ends_with(part.as_str()))
    });
    env.add_test("lower", move |state: &State<'_, '_>, value: &Value| {
        length(state, value).map(|()| tests::is_lower(value))
    });
    env.add_test("upper", move |state: &State<'_, '_>, value: &Value| {
        length(state, value).map(|()| tests::is_upper(value))
    });
    env.add_test("iterable", move |state: &State<'_, '_>, value: &Value| {
        length(state, value).map(|()| tests::is_iterable(value))
    });
    env.add_test("sameas", move |state: &State<'_, '_>, value: &Value, other: &Value| {
        length(state, value).map(|()| tests::is_sameas(value, other))
    });
}

/// The error of a name that is not there.
pub(super) fn known(state: &State<'_, '_>, args: &[Value]) -> Result<(), Error> {
    match args.first() {
        Some(value) if value.is_undefined() => StringInput::new(state, value).map(|_| ()),
        _ => Ok(()),
    }
}

/// An argument that is given by name.
pub(super) fn option(args: &[Value], name: &str) -> Option<Value> {
    let named = args.last().filter(|last| last.is_kwargs())?;
    named.get_attr(name).ok().filter(|value| !value.is_undefined() && !value.is_none())
}

/// Weighs what becomes a text on the way.
fn texts(state: &State<'_, '_>, args: &mut [Value]) -> Result<(), Error> {
    weight::weigh(state, args.iter().filter(|value| is_container(value)), Walk::Write)
}

fn names(state: &State<'_, '_>, args: &mut [Value], count: usize) -> Result<(), Error> {
    let names = args.iter().skip(1).take(count);
    weight::weigh(state, names.filter(|name| is_container(name)), Walk::Write)
}

/// Weighs what is put into a text, as often as that may name it.
fn format(state: &State<'_, '_>, args: &mut [Value]) -> Result<(), Error> {
    texts(state, args)?;
    let Some((form, values)) = args.split_first() else { return Ok(()) };
    let form = form.as_str().unwrap_or_default();
    let times = if form.contains("%(") { form.matches('%').count() } else { 1 };
    let mut meter = Meter::new(state);
    for value in values {
        meter.weigh(value, Walk::Write)?;
    }
    // The result is counted when it is there; here only that there is enough for it.
    let once = meter.spent();
    Meter::new(state).spend(once.saturating_mul(times as u64))
}

fn indent(state: &State<'_, '_>, args: &mut [Value]) -> Result<(), Error> {
    texts(state, args)?;
    let named = option(args, "width");
    let Some(first) = args.first_mut() else { return Ok(()) };
    if first.is_undefined() {
        *first = Value::from("");
    }
    let lines = match first.as_str() {
        Some(text) => text.matches('\n').count() + 1,
        None => 1,
    };
    let width = args.get(1).filter(|width| !width.is_kwargs()).cloned().or(named);
    let width = width.and_then(|width| width.as_usize()).unwrap_or(4);
    // Counted with the result; here only that there is enough for it.
    Meter::new(state).spend((width as u64).saturating_mul(lines as u64))
}

/// About how often each of so many is compared.
fn steps(len: usize) -> u64 {
    u64::from(usize::BITS - len.leading_zeros()) + 1
}

/// Weighs what a list is sorted by, as often as it is looked at.
fn sorted(state: &State<'_, '_>, args: &mut [Value]) -> Result<(), Error> {
    let attribute = option(args, "attribute")
        .or_else(|| args.get(1).filter(|value| value.as_str().is_some()).cloned());
    let default = option(args, "default");
    let Some(list) = args.first_mut() else { return Ok(()) };
    if !is_container(list) {
        return Ok(());
    }
    if list.kind() != ValueKind::Map {
        // Gone through twice: as one list, so that what is read from JSON is read once.
        *list = Value::from(lists::elements(state, list)?);
    }
    let times = steps(list.len().unwrap_or(0));
    let mut meter = Meter::new(state);
    if let Some(default) = default {
        meter.weigh(&default, Walk::Look)?;
    }
    for element in list.try_iter()? {
        let Some(paths) = attribute.as_ref().and_then(Value::as_str) else {
            meter.weigh(&element, Walk::Look)?;
            continue;
        };
        for path in paths.split(',') {
            if let Some(part) = part(&element, path.trim()) {
                meter.weigh(&part, Walk::Look)?;
            }
        }
    }
    let spent = meter.spent();
    charge(state, spent.saturating_mul(times))
}

/// What a path leads to within a value.
pub(super) fn part(value: &Value, path: &str) -> Option<Value> {
    path.split('.').try_fold(value.clone(), |value, name| match name.parse() {
        Ok(number) => value.get_item_by_index(number).ok(),
        Err(_) => value.get_attr(name).ok(),
    })
}

fn members(state: &State<'_, '_>, args: &mut [Value]) -> Result<(), Error> {
    let Some(map) = args.first().filter(|value| value.kind() == ValueKind::Map) else {
        return Ok(());
    };
    let by_value = option(args, "by").is_some_and(|by| by.as_str() == Some("value"));
    let times = steps(map.len().unwrap_or(0));
    let mut meter = Meter::new(state);
    for (key, member) in map.as_object().and_then(|map| map.try_iter_pairs()).into_iter().flatten()
    {
        meter.spend(PLACE)?;
        meter.weigh(if by_value { &member } else { &key }, Walk::Look)?;
    }
    let spent = meter.spent();
    charge(state, spent.saturating_mul(times))
}

/// Texts of elements with something between. minijinja's counts the elements and what is between, and
/// the texts only when they are one.
fn join(state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = args.into_values();
    weight::weigh(state, args.iter().skip(1).filter(|arg| is_container(arg)), Walk::Write)?;
    if !matches!(state.auto_escape(), AutoEscape::None) {
        weight::weigh(state, &args, Walk::Write)?;
        return Value::from_function(filters::join).call(state, &args);
    }
    let (value, joiner, attribute, named) =
        minijinja::value::from_args::<(&Value, Option<StringInput<'_>>, Option<&str>, Kwargs)>(
            &args,
        )?;
    let between = match joiner {
        Some(joiner) => joiner.as_str().to_owned(),
        None => named
            .get::<Option<StringInput<'_>>>("d")?
            .map_or(String::new(), |joiner| joiner.as_str().to_owned()),
    };
    let attribute = match attribute {
        Some(attribute) => Some(attribute.to_owned()),
        None => named.get::<Option<&str>>("attribute")?.map(str::to_owned),
    };
    named.assert_all_used()?;
    known(state, &args)?;
    let elements = value.try_iter().map_err(|error| {
        bad(format!("cannot join value of type {}", value.kind())).with_source(error)
    })?;
    let mut meter = Meter::new(state);
    let mut text = String::new();
    for (n, element) in elements.checked().enumerate() {
        let element = match &attribute {
            Some(path) => part(&element?, path).unwrap_or_default(),
            None => element?,
        };
        meter.spend(PLACE + if n > 0 { between.len() as u64 } else { 0 })?;
        meter.weigh(&element, Walk::Write)?;
        if n > 0 {
            text.push_str(&between);
        }
        match element.as_str() {
            Some(part) => text.push_str(part),
            None => write!(text, "{element}").map_err(Error::from)?,
        }
    }
    // The result is counted when it is there.
    let spent = meter.spent().saturating_sub(text.len() as u64);
    charge(state, spent)?;
    Ok(Value::from(text))
}

fn replace(state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut args = args.into_values();
    texts(state, &mut args)?;
    let count = match args.get(3).filter(|count| !count.is_kwargs()) {
        Some(count) => Some(count.clone()),
        None => option(&args, "count"),
    };
    let Some(count) = count else {
        args.retain(|arg| !arg.is_kwargs());
        return Value::from_function(filters::replace).call(state, &args);
    };
    // Negative is all of them.
    let count = usize::try_from(i64::try_from(count)?).unwrap_or(usize::MAX);
    let [value, from, to, ..] = args.as_slice() else {
        return Err(minijinja::ErrorKind::MissingArgument.into());
    };
    let (value, from) = (StringInput::new(state, value)?, StringInput::new(state, from)?);
    let to = StringInput::new(state, to)?;
    let found = value.as_str().matches(from.as_str()).take(count).count();
    let size = found.saturating_mul(to.as_str().len()).saturating_add(value.as_str().len());
    Meter::new(state).spend(size as u64)?;
    Ok(value.preserve_safety(value.as_str().replacen(from.as_str(), to.as_str(), count)))
}
