//! What a command shows: a table for people, or exactly the answer as JSON, YAML or names.

mod json;
mod out;
mod table;
mod times;
mod wrap;

pub(crate) use out::{Format, Out};
pub(crate) use table::{Cell, Style, Table, cut, status_style};
pub(crate) use times::{size, took};
pub(crate) use wrap::wrapped;
