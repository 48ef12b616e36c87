//! Pages of lists whose older rows are in history files, in the order of their keys. Files are opened
//! only as far as a page needs them; a row that is in state and in a file is seen once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::{ControlFlow, RangeInclusive};

use super::{FileName, Kind};
use crate::store::keys::{Key, KeyRange};
use crate::store::read::Source;
use crate::store::rows::{Page, Paging};
use crate::store::schema::Table;
use crate::store::{Error, Read};

/// What a list walks over.
pub(crate) struct Joined<'l> {
    /// Whose files.
    pub(crate) kind: Kind,
    /// Of these months.
    pub(crate) months: RangeInclusive<u32>,
    /// A table or an index.
    pub(crate) table: Table,
    /// Which part of it.
    pub(crate) range: KeyRange,
    /// Whether a key comes before everything that a month's file has, in the order of the list.
    pub(crate) precedes: &'l dyn Fn(&[u8], u32) -> bool,
}

/// Turns a key, met in this place, into an item of the list, or leaves it out.
pub(crate) type FetchIn<'f, T> = dyn FnMut(&dyn Read, &[u8]) -> Result<Option<T>, Error> + 'f;

/// A key, and the file that it is in; none for state.
type Met = (Vec<u8>, Option<FileName>);

/// Rows that one page may walk over.
const WALK: usize = 200_000;

/// One page.
pub(crate) fn page<T>(
    read: &impl Read,
    list: &Joined<'_>,
    paging: &Paging,
    fetch: &mut FetchIn<'_, T>,
) -> Result<Page<T>, Error> {
    let newest_first = paging.newest_first;
    let mut range = list.range.clone().resume(paging.cursor.as_deref(), newest_first)?;
    let mut files: BTreeMap<FileName, Source> = BTreeMap::new();
    let (mut items, mut last, mut walked) = (Vec::new(), None::<Key>, 0);
    loop {
        let wanted = (paging.limit - items.len()).clamp(16, 1000);
        let keys = list.keys(read, &mut files, &range, newest_first, wanted)?;
        let is_end = keys.len() <= wanted;
        for (key, place) in keys.into_iter().take(wanted) {
            let full = items.len() >= paging.limit || walked >= WALK;
            if let (true, Some(last)) = (full, &last) {
                let next_cursor = Some(range.cursor(last.as_bytes()));
                return Ok(Page { items, next_cursor });
            }
            walked += 1;
            let found = match place.and_then(|name| files.get(&name)) {
                Some(file) => fetch(file, &key),
                None => fetch(read, &key),
            };
            match found {
                Ok(item) => items.extend(item),
                // The damage is noted; the other rows are still worth showing.
                Err(Error::Damaged { .. }) => {}
                Err(e) => return Err(e),
            }
            last = Some(Key::of_bytes(&key));
        }
        let Some(last) = last.as_ref().filter(|_| !is_end) else {
            return Ok(Page { items, next_cursor: None });
        };
        range = if newest_first { range.before(last) } else { range.after(last) };
    }
}

impl Joined<'_> {
    /// One more than `wanted` keys in the order of the list, where there are so many, with the file
    /// that each is in; none for state.
    fn keys(
        &self,
        read: &impl Read,
        files: &mut BTreeMap<FileName, Source>,
        range: &KeyRange,
        newest_first: bool,
        wanted: usize,
    ) -> Result<Vec<Met>, Error> {
        let mut keys: BTreeMap<Vec<u8>, Option<FileName>> = BTreeMap::new();
        for key in self.some(read, range, newest_first, wanted + 1)? {
            keys.insert(key, None);
        }
        let mut names = read.history().map_or_else(Vec::new, |h| h.files_of(self.kind));
        names.retain(|name| self.months.contains(&name.month));
        if !newest_first {
            names.reverse();
        }
        for name in names {
            let mut so_far = keys.keys();
            let nth = if newest_first { so_far.nth_back(wanted) } else { so_far.nth(wanted) };
            if nth.is_some_and(|key| (self.precedes)(key, name.month)) {
                break;
            }
            let file = match files.entry(name) {
                Entry::Occupied(file) => file.into_mut(),
                Entry::Vacant(place) => {
                    let source = read.history().map(|history| history.source(name)).transpose()?;
                    let Some(source) = source.flatten() else { continue };
                    place.insert(source)
                }
            };
            for key in self.some(file, range, newest_first, wanted + 1)? {
                keys.entry(key).or_insert(Some(name));
            }
        }
        let ordered = keys.into_iter();
        Ok(if newest_first {
            ordered.rev().take(wanted + 1).collect()
        } else {
            ordered.take(wanted + 1).collect()
        })
    }

    fn some(
        &self,
        read: &impl Read,
        range: &KeyRange,
        newest_first: bool,
        most: usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut found = Vec::new();
        read.scan(self.table, range, newest_first, &mut |key, _| {
            found.push(key.to_vec());
            let enough = found.len() >= most;
            Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }
}
