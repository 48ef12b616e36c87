//! An expression or a text that was read, with guards, and can be run any number of times.
//!
//! minijinja's own ready-made forms leave no room for guards: they are made from a text in one go, and
//! compute what is constant while they are made, without fuel.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use minijinja::machinery::{self, CodeGenerator, Instructions, ast};
use minijinja::value::Value;
use minijinja::{AutoEscape, Error, ErrorKind};

use super::guards::Guards;
use super::language::{self, ENVIRONMENT};

/// Instructions, and the text that their names are parts of.
pub(super) struct Code {
    // Stands before the text, so that it is dropped before.
    instructions: Instructions<'static>,
    _text: Arc<str>,
    unknown: BTreeSet<String>,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("text", &self._text).finish_non_exhaustive()
    }
}

impl Code {
    /// Reads what stands between two braces.
    pub(super) fn expression(text: &str) -> Result<Self, Error> {
        Self::new(text, |text| {
            let read = machinery::parse_expr(text)?;
            let mut guards = Guards::default();
            let mut generator = CodeGenerator::new("<expression>", text);
            generator.compile_expr(&guards.expr(&read));
            Ok((generator, guards))
        })
    }

    /// Reads a text with expressions and statements in it.
    pub(super) fn text(text: &str) -> Result<Self, Error> {
        Self::new(text, |text| {
            let read: ast::Stmt<'_> = machinery::parse(text, "text", language::syntax())?;
            let mut guards = Guards::default();
            let mut generator = CodeGenerator::new("text", text);
            generator.compile_stmt(&guards.stmt(&read));
            Ok((generator, guards))
        })
    }

    fn new(
        text: &str,
        read: fn(&'static str) -> Result<(CodeGenerator<'static>, Guards<'static>), Error>,
    ) -> Result<Self, Error> {
        let text: Arc<str> = text.into();
        #[expect(unsafe_code, reason = "the names in the instructions are parts of the text")]
        // SAFETY: the text stays where it is and as it is for as long as there is an `Arc` of it, and
        // this one is dropped after the instructions, the only thing that is kept of what was read.
        // `read` is one of the two above; it keeps nothing, and no name gets out of an evaluation.
        let borrowed: &'static str = unsafe { &*std::ptr::from_ref::<str>(&text) };
        let (generator, guards) = read(borrowed)?;
        if let Some(deep) = guards.deep {
            return Err(Error::new(ErrorKind::InvalidOperation, deep));
        }
        let unknown = guards.unknown.iter().map(|name| (*name).to_owned()).collect();
        Ok(Self { instructions: generator.finish().0, _text: text, unknown })
    }

    /// The names that it takes from outside.
    pub(super) fn unknown(&self) -> &BTreeSet<String> {
        &self.unknown
    }

    /// The value of an expression.
    pub(super) fn value(&self, context: Value) -> Result<Value, Error> {
        let (_, value) = self.run(context);
        value?.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "there is no value"))
    }

    /// What a text comes to, as far as it came, and what ended it.
    pub(super) fn run(&self, context: Value) -> (String, Result<Option<Value>, Error>) {
        let mut written = String::new();
        let mut out = machinery::make_string_output(&mut written);
        let (code, blocks) = (&self.instructions, BTreeMap::new());
        let ended =
            machinery::eval(&ENVIRONMENT, code, context, &blocks, &mut out, AutoEscape::None)
                .map(|(value, _)| value);
        drop(out);
        (written, ended)
    }
}
