//! What is wrong with a file: where it stands, what it is, and what to do.

use a2n_client::Exit;

use super::super::failure::Failure;

/// One thing that is wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The file's name as it was given.
    pub(super) file: String,
    /// Line and column, from 1; none where it is the whole file.
    pub(super) place: Option<(u32, u32)>,
    /// The path of the member, as `nodes[1].config`; empty where there is none.
    pub(super) path: String,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) exit: Exit,
}

impl Fault {
    /// The file is not what a document is.
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            file: String::new(),
            place: None,
            path: String::new(),
            message: message.into(),
            hint: Some(hint.into()),
            exit: Exit::Invalid,
        }
    }
    pub(super) fn at(mut self, place: (u32, u32), path: impl Into<String>) -> Self {
        (self.place, self.path) = (Some(place), path.into());
        self
    }
    pub(super) fn of(mut self, file: &str) -> Self {
        self.file = file.to_owned();
        self
    }
    /// What the system says instead of giving the file.
    pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Self {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            std::io::ErrorKind::PermissionDenied => Exit::NotAllowed,
            _ => Exit::Failed,
        };
        let mut fault = Self::new(format!("can't be read: {error}"), "").of(file);
        (fault.hint, fault.exit) = (None, exit);
        fault
    }
    /// `file.yaml:12:5: nodes[1].type: …`.
    fn text(&self) -> String {
        let mut text = self.file.clone();
        if let Some((line, column)) = self.place {
            text.push_str(&format!(":{line}:{column}"));
        }
        text.push_str(": ");
        if !self.path.is_empty() {
            text.push_str(&format!("{}: ", self.path));
        }
        text + &self.message
    }
}

/// Everything that is wrong with what was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The end of a command that stops here, with what else is known to be wrong.
    pub(crate) fn failure(self, more: Vec<String>) -> Failure {
        let broken = !more.is_empty() || self.0.iter().any(|fault| fault.exit == Exit::Invalid);
        let exit = match self.0.first() {
            Some(first) if !broken => first.exit,
            _ => Exit::Invalid,
        };
        if let ([only], true) = (self.0.as_slice(), more.is_empty()) {
            let mut failure = Failure::new(exit, only.text());
            failure.hint.clone_from(&only.hint);
            return failure;
        }
        let line = |fault: &Fault| match &fault.hint {
            Some(hint) => format!("{} (hint: {hint})", fault.text()),
            None => fault.text(),
        };
        let details: Vec<String> = self.0.iter().map(line).chain(more).collect();
        let told = format!("{} things are wrong with what was given", details.len());
        Failure { details, ..Failure::new(exit, told) }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        faults.failure(Vec::new())
    }
}
