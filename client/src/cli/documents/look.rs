//! A look over a YAML text before it is read: finds every fault that the reader would take in
//! silence or stop at, each with its place and path. It follows no anchors, so it costs as much as
//! the text is long.

use std::collections::HashMap;

use a2n_proto::json::MAX_DEPTH;
use serde_saphyr::granit_parser::{self, Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

use super::fault::Fault;
use super::words;

/// Faults of one file that are told: who has more mends these first.
const MOST_FAULTS: usize = 50;
/// Characters of a name that a path shows.
const LONGEST_NAME: usize = 80;

/// What is wrong with the text; nothing where it can be read.
pub(super) fn faults(text: &str) -> Vec<Fault> {
    let mut look = Look::new(text);
    for event in events(text) {
        match event {
            Ok((event, span)) => look.see(&event, span),
            Err(error) => {
                // A cron expression without quotes is a name that stands for nothing and then no
                // YAML: one fault, not two.
                let (line, _) = line_and_column(*error.marker());
                let told = look.faults.last().and_then(|fault| fault.place);
                if told.is_none_or(|(last, _)| last != line) {
                    look.tell(words::of_syntax(error.kind()), *error.marker());
                }
                break;
            }
        }
        if look.done || look.faults.len() > MOST_FAULTS {
            break;
        }
    }
    if look.faults.len() > MOST_FAULTS {
        look.faults.truncate(MOST_FAULTS);
        look.faults.push(Fault::new("there is more", "mend these first"));
    }
    look.faults
}

/// The path of what begins at this place, or of the closest thing around it.
pub(super) fn path_at(text: &str, place: (u32, u32)) -> String {
    let mut look = Look::new(text);
    for (event, span) in events(text).map_while(Result::ok) {
        let here = line_and_column(span.start);
        if here > place {
            break;
        }
        if here == place
            && let Some(path) = look.path_of(&event)
        {
            return path;
        }
        look.see(&event, span);
    }
    look.path()
}

fn events(text: &str) -> Parser<'_, StrInput<'_>> {
    let options = granit_parser::options! { emit_comments: false, emit_unresolved_aliases: true };
    Parser::new_from_str_with_options(text, options)
}

/// A mapping or list that is not closed yet.
enum Open {
    List(usize),
    Map {
        /// The name whose value comes next.
        name: Option<String>,
        /// The line of each name so far.
        names: HashMap<String, u32>,
    },
}

struct Look<'t> {
    text: &'t str,
    open: Vec<Open>,
    faults: Vec<Fault>,
    done: bool,
}

impl<'t> Look<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, open: Vec::new(), faults: Vec::new(), done: false }
    }

    fn see(&mut self, event: &Event<'_>, span: Span) {
        if let Some(tag) = event.tag() {
            self.check_tag(event, tag, span);
        }
        match event {
            Event::Scalar(text, style, _, tag) => {
                let plain = *style == ScalarStyle::Plain && tag.is_none();
                match self.name_expected() {
                    true if plain && is_null(text) => self.unnamed("nothing", span),
                    true => self.name(text, plain, span.start),
                    false => self.value(),
                }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                if let Event::UnresolvedAlias(name) = event {
                    self.tell(words::no_anchor(name), span.start);
                }
                if self.name_expected() {
                    // What it stands for is the reader's to say.
                    self.set_name(span.slice(self.text).unwrap_or("*"));
                } else {
                    self.value();
                }
            }
            Event::SequenceStart(..) => self.begin(Open::List(0), "a list", span),
            Event::MappingStart(..) => {
                self.begin(Open::Map { name: None, names: HashMap::new() }, "a mapping", span);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
                if self.name_expected() {
                    self.set_name("?");
                } else {
                    self.value();
                }
            }
            Event::DocumentStart(..) => self.open.clear(),
            _ => {}
        }
    }

    /// The path of what the event is about; none where it is no part of a document.
    fn path_of(&self, event: &Event<'_>) -> Option<String> {
        let path = self.path();
        match event {
            Event::Scalar(name, ..) if self.name_expected() => Some(joined(&path, &shown(name))),
            _ => event.is_node().then_some(path),
        }
    }

    fn begin(&mut self, inner: Open, what: &str, span: Span) {
        if self.open.len() == MAX_DEPTH {
            self.tell(words::too_deep(), span.start);
            self.done = true;
        }
        if self.name_expected() {
            self.unnamed(what, span);
            // Its end makes the name; until then it has none.
        }
        self.open.push(inner);
    }

    fn check_tag(&mut self, event: &Event<'_>, tag: &Tag, span: Span) {
        let written = tag.original();
        // A lone `!` says only that the text is a text.
        if tag.is_custom() && written != "!" {
            let path = self.path_of(event).unwrap_or_default();
            let at = span.tag_start().unwrap_or(span.start);
            self.faults.push(words::foreign_tag(&shown(&written)).at(line_and_column(at), path));
        }
    }

    /// A member's name that is none: nothing, a list or a mapping.
    fn unnamed(&mut self, what: &str, span: Span) {
        self.tell(words::no_name(what), span.start);
        if what == "nothing" {
            self.set_name("?");
        }
    }

    fn name(&mut self, text: &str, plain: bool, at: Marker) {
        self.set_name(text);
        // What is merged in is no member.
        if plain && text == "<<" {
            return;
        }
        let Some(Open::Map { names, .. }) = self.open.last_mut() else { return };
        let (line, _) = line_and_column(at);
        if let Some(first) = names.insert(text.to_owned(), line) {
            self.tell(words::twice(&shown(text), Some(first)), at);
        }
    }

    fn name_expected(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map { name: None, .. }))
    }

    fn set_name(&mut self, text: &str) {
        if let Some(Open::Map { name, .. }) = self.open.last_mut() {
            *name = Some(shown(text));
        }
    }

    /// A value has ended: the next item or the next name comes.
    fn value(&mut self) {
        match self.open.last_mut() {
            Some(Open::List(index)) => *index += 1,
            Some(Open::Map { name, .. }) => *name = None,
            None => {}
        }
    }

    fn tell(&mut self, fault: Fault, at: Marker) {
        let path = self.path();
        self.faults.push(fault.at(line_and_column(at), path));
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match open {
                Open::List(index) => path.push_str(&format!("[{index}]")),
                Open::Map { name: Some(name), .. } => path = joined(&path, name),
                Open::Map { name: None, .. } => {}
            }
        }
        path
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A name may be as long as the file; a line that tells of it should stay readable.
fn shown(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn line_and_column(at: Marker) -> (u32, u32) {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (number(at.line()), number(at.col() + 1))
}
