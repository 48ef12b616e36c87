//! How a command fails: an exit code, one clear line, and a hint.

use std::fmt::Write as _;
use std::io;

use a2n_client::{Error, Exit, SafeText};
use a2n_proto::Problem;

use super::wording::for_people;

/// Why a command did not do what was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// One line; none where there is nothing left to say.
    pub(crate) message: Option<String>,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// One line for each thing that is wrong, printed before the message.
    pub(crate) details: Vec<String>,
}

impl Failure {
    /// Ends with this code and message.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: Some(message.into()), hint: None, details: Vec::new() }
    }
    /// Something failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }
    /// Asked wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
    /// There is none.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, message)
    }
    /// Ends with this code; everything was said already.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self { exit, message: None, hint: None, details: Vec::new() }
    }
    /// The same with a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What standard error shows.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for detail in &self.details {
            let _ = writeln!(text, "{}", SafeText::line(detail));
        }
        if let Some(message) = &self.message {
            let _ = writeln!(text, "a2n: {}", SafeText::line(message));
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "hint: {}", SafeText::line(hint));
        }
        text
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self::new(error.exit(), error.to_string());
        failure.hint = error.hint().map(|hint| for_people(&hint));
        let Error::Refused(refused) = &error else { return failure };
        if refused.problems.len() > 1 {
            // The path and the hint beside the message are those of the first problem.
            failure.details = refused.problems.iter().map(|p| problem_line("", None, p)).collect();
            failure.hint = None;
        } else if let (Some(path), Some(message)) = (&refused.path, &mut failure.message)
            && !message.contains(path.as_str())
        {
            *message = format!("{path}: {message}");
        }
        failure
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // Whoever read our output has seen enough.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(Exit::Done);
        }
        Self::failed(format!("can't write the output: {error}"))
    }
}

/// `file.yaml:12: nodes[1].type: UNKNOWN_TYPE: there is no … (write …)`.
pub(crate) fn problem_line(file: &str, line: Option<u32>, problem: &Problem) -> String {
    let mut text = String::new();
    if !file.is_empty() {
        text.push_str(file);
        if let Some(line) = line {
            let _ = write!(text, ":{line}");
        }
        text.push_str(": ");
    }
    if problem.severity == a2n_proto::Severity::Warning {
        text.push_str("warning: ");
    }
    if !problem.path.is_empty() {
        let _ = write!(text, "{}: ", problem.path);
    }
    let _ = write!(text, "{}: {}", problem.code, problem.message);
    if let Some(hint) = &problem.hint {
        let _ = write!(text, " (hint: {})", for_people(hint));
    }
    text
}

#[cfg(test)]
mod tests {
    use a2n_proto::{ErrorKind, RpcError};

    use super::*;

    #[test]
    fn a_refusal_is_one_line_and_a_hint() {
        let error = RpcError::new(ErrorKind::Conflict, "revision 1 is stale")
            .hint("read it again: it is at revision 3");
        let failure = Failure::from(Error::Refused(Box::new(error)));
        assert_eq!(failure.exit, Exit::Failed);
        insta::assert_snapshot!(failure.text(), @r"
        a2n: revision 1 is stale
        hint: read it again: it is at revision 3
        ");
    }

    #[test]
    fn kinds_have_the_exit_codes_of_the_contract() {
        let exit =
            |kind| Failure::from(Error::Refused(Box::new(RpcError::new(kind, "x")))).exit.code();
        assert_eq!(exit(ErrorKind::NotFound), 3);
        assert_eq!(exit(ErrorKind::Forbidden), 4);
        assert_eq!(exit(ErrorKind::Unauthenticated), 4);
        assert_eq!(exit(ErrorKind::Timeout), 124);
        assert_eq!(exit(ErrorKind::Params), 2);
        assert_eq!(exit(ErrorKind::Invalid), 6);
        assert_eq!(exit(ErrorKind::Storage), 1);
    }

    #[test]
    fn what_comes_from_outside_is_made_harmless() {
        let failure = Failure::failed("no workflow `\u{1b}[2J`");
        assert_eq!(failure.text(), "a2n: no workflow `␛[2J`\n");
    }
}
