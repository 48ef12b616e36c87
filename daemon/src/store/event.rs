//! event: what happened, numbered without gaps; what waits for events looks from a number on.
//!
//! The newest row stays whatever its age: it carries the numbering.

use std::ops::ControlFlow;

use a2n_proto::event::Event;
use a2n_proto::{ChangeKind, Json, Timestamp};
use serde_json::json;

use super::keys::{Key, KeyRange};
use super::rows::{self, Page, Paging, Stored};
use super::schema::{self, EVENT, EVENT_BY_TYPE, Table};
use super::{Error, Read, Tx};

impl Stored for Event {
    const TABLE: Table = schema::EVENT;
    const ENTITY: &'static str = "event";
}

/// The event with this number.
pub fn get(read: &impl Read, seq: u64) -> Result<Option<Event>, Error> {
    rows::get(read, Key::of_u64(seq).as_bytes())
}

/// The number of the last event; 0 before the first.
pub fn last(read: &impl Read) -> Result<u64, Error> {
    let mut last = 0;
    read.scan(EVENT, &KeyRange::all(), true, &mut |key, _| {
        last = key.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Ok(ControlFlow::Break(()))
    })?;
    Ok(last)
}

/// Stores an event under the next number. Number and moment are given here.
pub fn emit(tx: &mut Tx<'_>, event: Event) -> Result<Event, Error> {
    let seq = last(tx)?.saturating_add(1);
    let event = Event { seq, at: tx.at(), data_bytes: event.data.size_bytes() as u64, ..event };
    rows::put(tx, &Key::of_u64(seq), &event)?;
    rows::mark(tx, EVENT_BY_TYPE, &by_type(&event))?;
    let fields = json!({"eventType": event.event_type, "source": event.source});
    let execution = event.execution_id;
    tx.change("event", seq, 0, ChangeKind::Created, Json::from(fields), execution, None);
    Ok(event)
}

/// The first event of a sort after a number that fits, oldest first. `fits` is asked for at most
/// `most` of them; the answer also says up to which number there is nothing more to look at.
pub fn first_after(
    read: &impl Read,
    event_type: &str,
    after: u64,
    most: usize,
    fits: &mut dyn FnMut(&Event) -> Result<bool, Error>,
) -> Result<(Option<Event>, u64), Error> {
    let range = Key::new().text(event_type).under();
    let range = range.after(&Key::new().text(event_type).u64(after));
    let (mut found, mut seen, mut looked) = (None, after, 0);
    read.scan(EVENT_BY_TYPE, &range, false, &mut |key, _| {
        let Some(seq) = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)) else {
            return Err(read.damaged(EVENT_BY_TYPE, key));
        };
        if looked >= most {
            return Ok(ControlFlow::Break(()));
        }
        looked += 1;
        seen = seq;
        match get(read, seq) {
            Ok(Some(event)) if fits(&event)? => {
                found = Some(event);
                Ok(ControlFlow::Break(()))
            }
            // The damage is noted; the others still count.
            Ok(_) | Err(Error::Damaged { .. }) => Ok(ControlFlow::Continue(())),
            Err(e) => Err(e),
        }
    })?;
    Ok((found, seen))
}

/// Events without their data, newest first unless asked otherwise.
pub(crate) fn list_where(
    read: &impl Read,
    event_type: Option<&str>,
    paging: &Paging,
    sees: &mut dyn FnMut(&Event) -> bool,
) -> Result<Page<Event>, Error> {
    let (table, range) = match event_type {
        Some(name) => (EVENT_BY_TYPE, Key::new().text(name).under()),
        None => (EVENT, KeyRange::all()),
    };
    rows::page(read, table, range, paging, &mut |key, _| {
        let seq = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        let seq = seq.ok_or_else(|| read.damaged(table, key))?;
        let found = get(read, seq)?.filter(|event| sees(event));
        Ok(found.map(|event| Event { data: Json::null(), ..event }))
    })
}

/// The numbers of at most `most` old events, ascending: those from before a time, and those beyond
/// the newest `keep`. The last one stays, since it carries the numbering.
pub fn old(read: &impl Read, before: Timestamp, keep: u64, most: usize) -> Result<Vec<u64>, Error> {
    let last = last(read)?;
    let mut old = Vec::new();
    read.scan(EVENT, &KeyRange::all(), false, &mut |key, value| {
        let seq = key.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let at = match rows::decode::<Event>(read, key, value) {
            Ok(event) => Some(event.at),
            Err(Error::Damaged { .. }) => None,
            Err(e) => return Err(e),
        };
        let is_old = at.is_none_or(|at| at < before) || seq.saturating_add(keep) <= last;
        if seq >= last || !is_old || old.len() >= most {
            return Ok(ControlFlow::Break(()));
        }
        old.push(seq);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(old)
}

/// Removes an event. Answers whether it was there.
pub fn forget(tx: &mut Tx<'_>, seq: u64) -> Result<bool, Error> {
    let key = Key::of_u64(seq);
    // A damaged row tells nothing of its entries: they lead nowhere then, which readers bear.
    if let Ok(Some(event)) = get(tx, seq) {
        rows::remove(tx, EVENT_BY_TYPE, &by_type(&event))?;
    }
    rows::remove(tx, EVENT, &key)
}

fn by_type(event: &Event) -> Key {
    Key::new().text(&event.event_type).u64(event.seq)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{World, at, user};

    fn an_event(event_type: &str, n: u64) -> Event {
        Event {
            seq: 0,
            at: at(0),
            source: "test".into(),
            event_type: event_type.into(),
            data: Json::of(&json!({"n": n})),
            data_bytes: 0,
            shared: false,
            user_id: user(1),
            execution_id: None,
            depth: 0,
        }
    }

    #[test]
    fn events_are_numbered_and_found_by_their_sort_from_a_number_on() {
        let world = World::new();
        for (ms, name) in ["a", "b", "a", "a"].into_iter().enumerate() {
            let n = ms as u64;
            world.write(ms as i64, move |tx| emit(tx, an_event(name, n)).map(|_| ()));
        }
        let world = world.reopened();
        let read = world.read();
        let find = |after, want: u64| {
            let fits = &mut |event: &Event| Ok(event.data.to_value()["n"] == want);
            first_after(&read, "a", after, 10, fits).unwrap()
        };
        assert_eq!(find(0, 0).0.map(|event| event.seq), Some(1));
        assert_eq!(find(1, 0), (None, 4));
        assert_eq!(find(1, 2).0.map(|event| event.seq), Some(3));
        assert_eq!(find(4, 3), (None, 4));
        let looked = first_after(&read, "a", 0, 2, &mut |_| Ok(false)).unwrap();
        assert_eq!(looked, (None, 3), "a look is bounded and says how far it came");
    }

    #[test]
    fn old_ones_go_and_numbers_are_never_given_twice() {
        let world = World::new();
        for n in 1..=6 {
            world.write(n, |tx| emit(tx, an_event("a", 0)).map(|_| ()));
        }
        let old_of = |before, keep| old(&world.read(), at(before), keep, 100).unwrap();
        assert_eq!(old_of(3, 100), [1, 2]);
        assert_eq!(old_of(0, 2), [1, 2, 3, 4]);
        let all = old_of(100, 0);
        assert_eq!(all, [1, 2, 3, 4, 5], "the last one carries the numbering");
        world.write(9, move |tx| all.iter().try_for_each(|seq| forget(tx, *seq).map(|_| ())));
        let next = world.write(10, |tx| emit(tx, an_event("b", 0)));
        assert_eq!(next.seq, 7);
        let listed = list_where(&world.read(), None, &Paging::first(10), &mut |_| true).unwrap();
        assert_eq!(listed.items.iter().map(|one| one.seq).collect::<Vec<_>>(), [7, 6]);
    }
}
