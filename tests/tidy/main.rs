//! The floor that keeps the house tidy: who imports whom, which words are used, how files begin, that
//! tests are listed, that pages and code say the same.
//!
//! Each check reads the sources as text, collects everything that is wrong and says it at once, with
//! the file and the line. A rule that gets in the way is changed in ARCHITECTURE.md and here, together.

mod door;
mod files;
mod imports;
mod pages;
mod source;
mod words;
