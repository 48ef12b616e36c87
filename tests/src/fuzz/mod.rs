//! What fuzzing tries: for each subject one function from bytes, which panics where a promise does
//! not hold. Driven by `fuzz/` (cargo-fuzz) and by `tests/replay`, which goes through the corpus.
//!
//! Bytes that begin with [`MADE`] are a recipe for something well-formed; all others are taken as
//! they come. So a seed is readable, and the search does not have to find JSON by luck.

pub mod codec;
pub mod expression;
pub mod http;
pub mod json;
pub mod lines;
pub mod schedule;
pub mod segment;
pub mod websocket;
pub mod workflow;

mod made;
mod world;

/// The first byte of a recipe.
pub const MADE: u8 = 1;

/// What is done with a file of a corpus.
pub type Subject = fn(&[u8]);

/// Every subject by its name, which is also the name of its corpus and of its cargo-fuzz target.
pub const SUBJECTS: [(&str, Subject); 9] = [
    ("codec", codec::run),
    ("expression", expression::run),
    ("http", http::run),
    ("json", json::run),
    ("lines", lines::run),
    ("schedule", schedule::run),
    ("segment", segment::run),
    ("websocket", websocket::run),
    ("workflow", workflow::run),
];
