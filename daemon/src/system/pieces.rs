//! Bytes that come one piece after the other: what is large is never whole in memory.

use std::fmt;

use bytes::Bytes;

use super::Later;

/// Bytes that come one piece after the other.
pub trait Pieces<E>: Send + fmt::Debug {
    /// The next piece, never an empty one; none at the end.
    fn next(&mut self) -> Later<'_, Result<Option<Bytes>, E>>;
}

/// Bytes that are there already, as one piece.
pub fn whole<E>(bytes: impl Into<Bytes>) -> Box<dyn Pieces<E>> {
    Box::new(Whole(Some(bytes.into())))
}

/// These bytes, then the rest.
pub fn begun<E: 'static>(first: Vec<Bytes>, rest: Box<dyn Pieces<E>>) -> Box<dyn Pieces<E>> {
    Box::new(Begun { first: first.into_iter(), rest })
}

#[derive(Debug)]
struct Whole(Option<Bytes>);

impl<E> Pieces<E> for Whole {
    fn next(&mut self) -> Later<'_, Result<Option<Bytes>, E>> {
        let piece = self.0.take().filter(|bytes| !bytes.is_empty());
        Box::pin(async move { Ok(piece) })
    }
}

struct Begun<E> {
    first: std::vec::IntoIter<Bytes>,
    rest: Box<dyn Pieces<E>>,
}

impl<E> Pieces<E> for Begun<E> {
    fn next(&mut self) -> Later<'_, Result<Option<Bytes>, E>> {
        match self.first.find(|bytes| !bytes.is_empty()) {
            Some(piece) => Box::pin(async move { Ok(Some(piece)) }),
            None => self.rest.next(),
        }
    }
}

impl<E> fmt::Debug for Begun<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").finish_non_exhaustive()
    }
}
