//! What one node may send on where it makes more than it was given. Beyond, it fails by name: memory
//! without end would end every other execution too.

use a2n_proto::Json;

use crate::engine::kind::NodeError;

/// Most items.
pub(crate) const MAX_ITEMS: usize = 1_000_000;
/// Most text of all of them.
pub(crate) const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Deepest nesting of one: what is deeper could not be read again.
const MAX_DEPTH: usize = a2n_proto::json::MAX_DEPTH;

/// What was made so far.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    items: usize,
    bytes: usize,
}

impl Bound {
    /// Counts an item before it is made.
    pub(crate) fn count(&mut self, bytes: usize) -> Result<(), NodeError> {
        self.items += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.items > MAX_ITEMS {
            return Err(too_large(&format!("more than {MAX_ITEMS} items")));
        }
        if self.bytes > MAX_BYTES {
            return Err(too_large(&format!("more than {} MiB of items", MAX_BYTES / 1024 / 1024)));
        }
        Ok(())
    }
}

fn too_large(what: &str) -> NodeError {
    let message =
        format!("this gives {what}; leave out what is not needed before (`filter`, `set`)");
    NodeError::new("TOO_LARGE", message)
}

/// An item that holds others, where it is not nested too deep.
pub(crate) fn flat_enough(item: Json) -> Result<Json, NodeError> {
    if depth(item.as_str()) > MAX_DEPTH {
        let message = format!("the item would be nested deeper than {MAX_DEPTH} levels");
        return Err(NodeError::new("TOO_LARGE", message));
    }
    Ok(item)
}

fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_named() {
        let mut bound = Bound::default();
        assert!(bound.count(MAX_BYTES).is_ok());
        let error = bound.count(1).unwrap_err();
        assert!(error.kind == "TOO_LARGE" && error.message.contains("64 MiB"), "{error}");
        let mut bound = Bound::default();
        let error = (0..).find_map(|_| bound.count(0).err()).unwrap();
        assert!(error.message.contains("1000000 items"), "{error}");
    }

    #[test]
    fn depth_counts_what_is_open_outside_of_texts() {
        assert_eq!(depth(r#"{"a":[[],"[[[",{"\"[":{}}]}"#), 4);
        assert_eq!(depth("1"), 0);
    }
}
