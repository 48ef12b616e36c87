//! JSON that passes through unchanged: member order and the text of numbers are kept.
//!
//! [`Json`] holds checked text. It serialises as JSON where the format is human-readable and as a
//! string otherwise, so the same entity goes over the socket and through the store's codec.
//! [`check`] is the one gate for JSON from outside: depth, size and duplicate members. [`read`]
//! turns checked text into a type of ours and says where it does not fit, in [`plain`] words.

mod check;
mod place;
mod read;
mod text;
mod value;
mod words;

pub use check::{Fault, MAX_DEPTH, MAX_VALUES, check, check_inside};
pub use read::{Unfit, read};
pub(crate) use text::parsed;
pub use value::Json;
pub use words::plain;
