//! A place within a JSON text, put together to a path as `nodes[1].config.where`.

pub(super) enum Place {
    /// In an object, between its members.
    None,
    Member(String),
    Index(usize),
}

/// Bytes of a path that are shown.
const LONGEST: usize = 512;

/// The path of places from the outermost to the innermost.
pub(super) fn path_text<'p>(places: impl Iterator<Item = &'p Place>) -> String {
    let mut text = String::new();
    for place in places {
        match place {
            Place::None => {}
            Place::Member(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Place::Index(index) => text.push_str(&format!("[{index}]")),
        }
        // A name may be as long as the text itself; an error should stay readable.
        if text.len() > LONGEST {
            text.truncate(text.floor_char_boundary(LONGEST));
            text.push('…');
            break;
        }
    }
    text
}
