//! The closed set of errors at the socket: JSON-RPC's own codes, and ours that read like HTTP's.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal,)*) => {
        /// What kind of error it is; programs branch on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum ErrorKind {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }
        impl ErrorKind {
            /// Every kind, in the order of the contract.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name),*];
            /// The number in a JSON-RPC error object.
            pub const fn code(self) -> i32 {
                match self { $(ErrorKind::$name => $code,)* }
            }
            /// The name in `data.kind`.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorKind::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// The text is not JSON.
    Parse = -32700 "PARSE",
    /// The JSON is not a request.
    Request = -32600 "REQUEST",
    /// No such method.
    Method = -32601 "METHOD",
    /// The parameters do not fit the method.
    Params = -32602 "PARAMS",
    /// Nobody is signed in on this connection.
    Unauthenticated = 401 "UNAUTHENTICATED",
    /// Signed in, but without the role, permission or scope that is named.
    Forbidden = 403 "FORBIDDEN",
    /// There is none, or none that the caller may see.
    NotFound = 404 "NOT_FOUND",
    /// It took longer than asked for.
    Timeout = 408 "TIMEOUT",
    /// A unique value is taken, or the revision is stale.
    Conflict = 409 "CONFLICT",
    /// The thing is in a state that does not allow it.
    Precondition = 412 "PRECONDITION",
    /// More than a limit allows; the limit is named.
    TooLarge = 413 "TOO_LARGE",
    /// A value is wrong; path and hint say where and what would be right.
    Invalid = 422 "INVALID",
    /// Too many calls in a time.
    RateLimited = 429 "RATE_LIMITED",
    /// Our fault; the correlation id is in the daemon's log.
    Internal = 500 "INTERNAL",
    /// Known, but not built in this version.
    Unsupported = 501 "UNSUPPORTED",
    /// Queues are full; nothing was accepted.
    Overloaded = 503 "OVERLOADED",
    /// The disk is full or failing; nothing was accepted.
    Storage = 507 "STORAGE",
}

/// Whether a problem stops a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// The document can't be saved with it.
    Error,
    /// Worth knowing; it can be saved.
    Warning,
}

/// One thing that is wrong with a document, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Where, as `nodes[1].config.where`.
    pub path: String,
    /// A stable name for the kind of problem, for example `UNKNOWN_TYPE`.
    pub code: String,
    /// Whether it stops a save.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// An error as it crosses the socket. The message is for people, the kind for programs, the hint
/// says what to do next.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// What kind; gives the code.
    pub kind: ErrorKind,
    /// For people: lower case, no full stop.
    pub message: String,
    /// The member of `params` (or of a document) that is wrong.
    pub path: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// When a retry may help.
    pub retry_after_ms: Option<u64>,
    /// Everything that is wrong, where several things are.
    pub problems: Vec<Problem>,
    /// On a stale revision: the present one.
    pub current: Option<u64>,
    /// On an internal error: what to look for in the daemon's log.
    pub correlation_id: Option<String>,
}

/// `data` of an error object on the wire.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorData {
    /// The kind's name.
    pub kind: ErrorKind,
    /// The same message as beside it.
    pub message: String,
    /// The member that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// When a retry may help, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Everything that is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// The present revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// What to look for in the daemon's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
}

impl RpcError {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            path: None,
            hint: None,
            retry_after_ms: None,
            problems: Vec::new(),
            current: None,
            correlation_id: None,
        }
    }
    /// The same with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// The same with the path of the member that is wrong.
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }
    /// What stands in `data` on the wire.
    pub fn data(&self) -> ErrorData {
        ErrorData {
            kind: self.kind,
            message: self.message.clone(),
            path: self.path.clone(),
            hint: self.hint.clone(),
            retry_after_ms: self.retry_after_ms,
            problems: self.problems.clone(),
            current: self.current,
            correlation_id: self.correlation_id.clone(),
        }
    }
    /// The error that a wire object stands for; `None` where `data` is not of our form.
    pub fn from_data(data: ErrorData) -> Self {
        Self {
            kind: data.kind,
            message: data.message,
            path: data.path,
            hint: data.hint,
            retry_after_ms: data.retry_after_ms,
            problems: data.problems,
            current: data.current,
            correlation_id: data.correlation_id,
        }
    }
}
