//! What the writer and the readers of a folder share: which files there are and where their blocks
//! stand. The writer publishes blocks here after they are in the file; readers copy a few places
//! out under a short lock and read the bytes without one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::disk::{Disk, File};
use crate::error::Error;
use crate::format::{self, FileHead, Stream};
use crate::index::{Entry, Index};
use crate::reader::{Position, Query, Reader};
use crate::scan;
use crate::verify::{self, Report};

/// A folder of segments, to read. A cheap clone; what a writer appends is seen by all clones of
/// its own catalogue at once.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pub(crate) shared: Arc<Shared>,
}

/// How much a folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Segment files.
    pub n_files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    state: RwLock<State>,
    /// Indexes of files that are not written any more; the last used is last.
    cache: Mutex<Vec<(u64, Arc<Index>)>>,
}

/// At most this many indexes are kept, each at most about 5 MiB.
const CACHED: usize = 3;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) closed: BTreeMap<u64, Closed>,
    pub(crate) active: Option<Active>,
}

/// A file that is not written any more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closed {
    pub(crate) bytes: u64,
    pub(crate) times: (i64, i64),
    pub(crate) streams: (Stream, Stream),
}

/// The file that is written.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) head: FileHead,
    pub(crate) file: Arc<dyn File>,
    /// Where the next block will stand; all before it is in the file.
    pub(crate) end: u64,
    pub(crate) index: Index,
}

impl Catalogue {
    /// The folder as it is now, for reading only; torn tails are passed over.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, Error> {
        let catalogue = Self::empty(disk);
        for number in catalogue.numbers()? {
            match catalogue.look_at(number) {
                Ok(closed) => _ = catalogue.write().closed.insert(number, closed),
                Err(e) if e.is_gone() => {}
                // A file whose head never reached the disk has no blocks either.
                Err(Error::NotASegment { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(catalogue)
    }
    pub(crate) fn empty(disk: Arc<dyn Disk>) -> Self {
        let (state, cache) = (RwLock::default(), Mutex::default());
        Self { shared: Arc::new(Shared { disk, state, cache }) }
    }

    /// A reader from the oldest record (or from `from`) on; at the end it gives `None`, and more
    /// when there is more.
    pub fn forwards(&self, query: Query, from: Position) -> Reader {
        Reader::new(self.clone(), query, from, false)
    }
    /// A reader from the newest record before `from` back to the oldest.
    pub fn backwards(&self, query: Query, from: Position) -> Reader {
        Reader::new(self.clone(), query, from, true)
    }
    /// Behind everything that can be read now.
    pub fn end(&self) -> Position {
        let state = self.read();
        match (&state.active, state.closed.last_key_value()) {
            (Some(active), _) => {
                Position { segment: active.head.number, offset: active.end, record: 0 }
            }
            (None, Some((&number, closed))) => {
                Position { segment: number, offset: closed.bytes, record: 0 }
            }
            (None, None) => Position::START,
        }
    }
    /// The oldest place there still is.
    pub fn start(&self) -> Position {
        let state = self.read();
        let active = state.active.as_ref().map(|a| a.head.number);
        let first = state.closed.keys().next().copied().or(active);
        first.map_or(Position::START, |segment| Position { segment, offset: 0, record: 0 })
    }
    /// The highest seq that the stream has, marks included.
    pub fn last_seq(&self, stream: Stream) -> Result<Option<u64>, Error> {
        let candidates: Vec<u64> = {
            let state = self.read();
            if let Some(seq) = state.active.as_ref().and_then(|a| a.index.last_seq(stream)) {
                return Ok(Some(seq));
            }
            let may = |c: &Closed| c.streams.0 <= stream && stream <= c.streams.1;
            state.closed.iter().rev().filter(|(_, c)| may(c)).map(|(&n, _)| n).collect()
        };
        for number in candidates {
            if let Some(seq) = self.index_of(number)?.and_then(|index| index.last_seq(stream)) {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }
    /// How much the folder holds.
    pub fn totals(&self) -> Totals {
        let state = self.read();
        let closed: u64 = state.closed.values().map(|c| c.bytes).sum();
        let active = state.active.as_ref();
        Totals {
            n_files: state.closed.len() as u64 + u64::from(active.is_some()),
            bytes: closed + active.map_or(0, |a| a.end),
        }
    }
    /// Reads and checks every byte of every file.
    pub fn verify(&self) -> Result<Report, Error> {
        verify::verify(self)
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.shared.state.read().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.shared.state.write().unwrap_or_else(PoisonError::into_inner)
    }
    fn cache(&self) -> MutexGuard<'_, Vec<(u64, Arc<Index>)>> {
        self.shared.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers of the folder's files, ascending.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>, Error> {
        let names = self.shared.disk.list().map_err(Error::io("list", "the folder"))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|n| format::file_number(n)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
    pub(crate) fn file(&self, number: u64) -> Result<Arc<dyn File>, Error> {
        let name = format::file_name(number);
        self.shared.disk.open(&name).map_err(Error::io("open", &*name))
    }

    /// What there is to know of a file that is not written any more.
    pub(crate) fn look_at(&self, number: u64) -> Result<Closed, Error> {
        let file = self.file(number)?;
        let head = scan::head(&*file, number)?;
        let bytes = file.size().map_err(Error::io("measure", format::file_name(number)))?;
        if let Some(t) = scan::trailer(&*file, head)? {
            let times = (t.first_time, t.last_time);
            return Ok(Closed { bytes, times, streams: (t.first_stream, t.last_stream) });
        }
        let index = scan::walk(&*file, head)?.index;
        let closed = Closed { bytes, times: index.times(), streams: index.stream_bounds() };
        self.keep(number, Arc::new(index));
        Ok(closed)
    }
    /// The index of a closed file, from its end or, where that does not hold, from its blocks;
    /// `None` where the file is gone.
    pub(crate) fn index_of(&self, number: u64) -> Result<Option<Arc<Index>>, Error> {
        let hit = {
            let mut cache = self.cache();
            cache.iter().position(|(n, _)| *n == number).map(|at| {
                let entry = cache.remove(at);
                let index = entry.1.clone();
                cache.push(entry);
                index
            })
        };
        if hit.is_some() {
            return Ok(hit);
        }
        match self.load_index(number) {
            Ok(index) => {
                let index = Arc::new(index);
                self.keep(number, index.clone());
                Ok(Some(index))
            }
            Err(e) if e.is_gone() => Ok(None),
            Err(e) => Err(e),
        }
    }
    fn load_index(&self, number: u64) -> Result<Index, Error> {
        let file = self.file(number)?;
        let head = scan::head(&*file, number)?;
        if let Some(trailer) = scan::trailer(&*file, head)?
            && let Some(index) = scan::index(&*file, head, &trailer)?
        {
            return Ok(index);
        }
        Ok(scan::walk(&*file, head)?.index)
    }
    fn keep(&self, number: u64, index: Arc<Index>) {
        let mut cache = self.cache();
        cache.retain(|(n, _)| *n != number);
        cache.push((number, index));
        if cache.len() > CACHED {
            cache.remove(0);
        }
    }
    pub(crate) fn forget(&self, number: u64) {
        self.write().closed.remove(&number);
        self.cache().retain(|(n, _)| *n != number);
    }
    /// Lets readers see blocks that are in the active file now.
    pub(crate) fn publish(&self, entries: Vec<Entry>, end: u64) {
        if let Some(active) = &mut self.write().active {
            entries.into_iter().for_each(|entry| active.index.push(entry));
            active.end = end;
        }
    }
}
