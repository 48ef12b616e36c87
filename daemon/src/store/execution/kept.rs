//! How an execution is stored: its row without data, the data and the engine's state packed beside it
//! while they are small.

use a2n_proto::Json;
use a2n_proto::execution::Execution;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Pieces;
use super::waiting::Kinds;
use crate::store::rows::Stored;
use crate::store::schema::{EXECUTION, Table};
use crate::store::{Error, codec};

/// Data or state beyond this many bytes have a row of their own.
const INLINE: usize = 4096;

/// The stored row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Without its data.
    pub(crate) execution: Execution,
    /// None where it has a row of its own. Packed, so that lists and saves need not read it.
    pub(crate) data: Option<Bytes>,
    /// Of the data, so that it is written again only when it changed.
    pub(super) data_hash: u64,
    /// None where it has a row of its own.
    pub(crate) state: Option<Bytes>,
    /// What it waits for while it is paused.
    pub(super) wait: Kinds,
}

/// What came in and went out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Data {
    trigger: Json,
    input: Json,
    output: Json,
    context: Json,
}

impl Stored for Kept {
    const TABLE: Table = EXECUTION;
    const ENTITY: &'static str = "execution";
}

impl Data {
    fn of(execution: &Execution) -> Self {
        Self {
            trigger: execution.trigger_data.clone(),
            input: execution.input_data.clone(),
            output: execution.output_data.clone(),
            context: execution.context_data.clone(),
        }
    }
    fn parts(&self) -> [&Json; 4] {
        [&self.trigger, &self.input, &self.output, &self.context]
    }
    /// Its texts as bytes.
    pub(super) fn texts(&self) -> [&[u8]; 4] {
        self.parts().map(|part| part.as_str().as_bytes())
    }
    fn size(&self) -> usize {
        self.parts().iter().map(|part| part.size_bytes()).sum()
    }
    fn hash(&self) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
        for part in self.parts() {
            hash.update(&(part.size_bytes() as u64).to_le_bytes());
            hash.update(part.as_str().as_bytes());
        }
        hash.digest()
    }
    pub(super) fn give(self, execution: &mut Execution) {
        execution.trigger_data = self.trigger;
        execution.input_data = self.input;
        execution.output_data = self.output;
        execution.context_data = self.context;
    }
}

/// What an execution is stored as: its row, and what it keeps apart because it is large.
pub(crate) struct Packed {
    pub(crate) kept: Kept,
    pub(crate) data: Option<Data>,
    pub(crate) state: Option<Pieces>,
}

impl Packed {
    /// One that is over.
    pub(crate) fn of_ended(execution: &Execution, state: Vec<u8>) -> Result<Self, Error> {
        Self::of(execution, Some(state.into()), Kinds::default())
    }
    /// `state`: none where what is kept of it in a row of its own stays.
    pub(super) fn of(
        execution: &Execution,
        state: Option<Pieces>,
        wait: Kinds,
    ) -> Result<Self, Error> {
        let data = Data::of(execution);
        let data_hash = data.hash();
        let bare = Execution {
            trigger_data: Json::null(),
            input_data: Json::null(),
            output_data: Json::null(),
            context_data: Json::null(),
            ..execution.clone()
        };
        let (inline, apart) =
            if data.size() <= INLINE { (Some(packed(&data)?), None) } else { (None, Some(data)) };
        let (state_inline, state_apart) = match state.map(|state| state.within(INLINE)) {
            Some(Ok(state)) => (Some(Bytes(state)), None),
            Some(Err(state)) => (None, Some(state)),
            None => (None, None),
        };
        let kept = Kept { execution: bare, data: inline, data_hash, state: state_inline, wait };
        Ok(Self { kept, data: apart, state: state_apart })
    }
}

/// The data as it is kept within the row.
fn packed(data: &Data) -> Result<Bytes, Error> {
    let too_large = |_| Error::TooLarge { table: EXECUTION.name, size: data.size(), limit: INLINE };
    codec::pack(data).map(Bytes).map_err(too_large)
}

/// Bytes that are encoded as one piece, not number by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }
        d.deserialize_byte_buf(Whole)
    }
}
