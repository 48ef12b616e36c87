//! A node's input: the items of its connections, in the document's order, without copying them.

use std::fmt::Debug;
use std::sync::Arc;

use super::execution::Output;
use super::kind::{Handles, Item};

/// What a node works on.
#[derive(Debug, Clone, Default)]
pub struct NodeInput {
    parts: Vec<Part>,
}

/// What one connection brings.
#[derive(Debug, Clone)]
struct Part {
    /// The handle it leads to.
    handle: String,
    /// The node it comes from, by number; none for the payload.
    source: Option<usize>,
    /// The iterations in which that node sent it; none where they are not known any more.
    path: Option<String>,
    output: Arc<Output>,
    source_handle: String,
}

/// Where an input item came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'i> {
    /// The node, by number; none for the payload.
    pub source: Option<usize>,
    /// The iterations in which that node sent it; none where they are not known any more.
    pub path: Option<&'i str>,
    /// The handle it left through.
    pub handle: &'i str,
    /// Its number among that handle's items.
    pub index: usize,
}

impl NodeInput {
    /// Adds what one connection brings.
    pub fn push(
        &mut self,
        handle: &str,
        source: Option<usize>,
        path: Option<String>,
        output: Arc<Output>,
        source_handle: &str,
    ) {
        self.parts.push(Part {
            handle: handle.to_owned(),
            source,
            path,
            output,
            source_handle: source_handle.to_owned(),
        });
    }
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.items().len()).sum()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.items().is_empty())
    }
    /// Whether items were cut away after the execution's end.
    pub fn is_cut(&self) -> bool {
        self.parts.iter().any(|part| part.output.cut)
    }
    /// The node whose items were cut away.
    pub fn cut_source(&self) -> Option<usize> {
        self.parts.iter().find(|part| part.output.cut).and_then(|part| part.source)
    }
    /// An item, with the handle it comes in by, and where it came from.
    pub fn get(&self, mut index: usize) -> Option<(&str, &Item, Origin<'_>)> {
        for part in &self.parts {
            match part.items().get(index) {
                Some(item) => {
                    let (source, handle) = (part.source, part.source_handle.as_str());
                    let path = part.path.as_deref();
                    return Some((&part.handle, item, Origin { source, path, handle, index }));
                }
                None => index -= part.items().len(),
            }
        }
        None
    }
    /// The number of the item that one came from, among those that its source worked on; none where
    /// that is lost.
    pub fn from(&self, mut index: usize) -> Option<u32> {
        for part in &self.parts {
            let count = part.items().len();
            if index < count {
                let sent = part.output.handles.get(&part.source_handle)?;
                return sent.from.get(index).copied();
            }
            index -= count;
        }
        None
    }
    /// Every item, in order.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.parts.iter().flat_map(Part::items)
    }
    /// Every item, by the handle it comes in by.
    pub fn by_handle(&self) -> Handles {
        let mut handles = Handles::new();
        for part in &self.parts {
            handles.entry(part.handle.clone()).or_default().extend(part.items().iter().cloned());
        }
        handles
    }
}

impl Part {
    fn items(&self) -> &[Item] {
        self.output.items(&self.source_handle)
    }
}
