//! Work on state that nobody is in a hurry for, cut into slices: other writes get their commits in
//! between, so that none waits long for a cleaner.

use std::collections::VecDeque;

use crate::store::{Error, Origin, Store, Tx};

/// Carries out `each` for all things, as many in one commit as a slice holds (see
/// [`Tx::slice_is_full`]). Answers for how many it answered true. Waits for the disk.
pub fn in_slices<T: Send + 'static>(
    store: &Store,
    origin: &Origin,
    things: Vec<T>,
    each: fn(&mut Tx<'_>, &T) -> Result<bool, Error>,
) -> Result<usize, Error> {
    let mut left = VecDeque::from(things);
    let mut done = 0;
    while !left.is_empty() {
        let (rest, n) = store.write_blocking(origin.clone(), move |tx| {
            let mut n = 0;
            while let Some(thing) = left.pop_front() {
                n += usize::from(each(tx, &thing)?);
                if tx.slice_is_full() {
                    break;
                }
            }
            Ok::<_, Error>((left, n))
        })?;
        left = rest;
        done += n;
    }
    Ok(done)
}
