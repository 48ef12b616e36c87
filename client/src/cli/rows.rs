//! Rows of a list, page by page, until there are as many as wanted.

use a2n_client::{Error, Session};
use a2n_proto::Json;
use a2n_proto::api::{List, Method, Page};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;

/// How many rows are wanted, as an option of the command line.
pub(super) fn how_many(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("write a whole number, 1 or more".to_owned()),
        Ok(wanted) => Ok(wanted),
    }
}

/// Rows of a list: as they came, and as the type they stand for.
#[derive(Debug)]
pub(super) struct Rows<T> {
    /// The rows' own text, one array.
    pub(super) json: Json,
    /// The rows.
    pub(super) items: Vec<T>,
    /// Whether there are more than wanted.
    pub(super) more: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPage {
    items: Vec<Json>,
    next_cursor: Option<String>,
}

/// The first `wanted` rows that fit.
pub(super) async fn list<M, F, T>(
    session: &Session,
    filter: F,
    wanted: usize,
) -> Result<Rows<T>, Failure>
where
    M: Method<Params = List<F>, Answer = Page<T>>,
    F: Clone + Default,
    List<F>: serde::Serialize,
    T: DeserializeOwned,
{
    let (mut raw, mut cursor) = (Vec::new(), None);
    let more = loop {
        let left = wanted.saturating_sub(raw.len()).clamp(1, List::<F>::MAX_LIMIT as usize);
        let limit = u32::try_from(left).ok();
        let params = List { filter: filter.clone(), sort: None, limit, cursor };
        let page = session.call_json(M::NAME, &Json::of(&params)).await?;
        let page: RawPage = page.to().map_err(|error| not_understood::<M>(&error))?;
        let empty = page.items.is_empty();
        raw.extend(page.items);
        cursor = page.next_cursor;
        // A page without rows but with a cursor would go round for ever.
        if cursor.is_none() || raw.len() >= wanted || empty {
            break cursor.is_some();
        }
    };
    let items = raw
        .iter()
        .map(|row| row.to().map_err(|error| not_understood::<M>(&error)))
        .collect::<Result<_, _>>()?;
    Ok(Rows { json: Json::of(&raw), items, more })
}

fn not_understood<M: Method>(error: &serde_json::Error) -> Error {
    Error::Answer { method: M::NAME.to_owned(), reason: error.to_string() }
}
