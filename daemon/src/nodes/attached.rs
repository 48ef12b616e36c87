//! Attachments as nodes meet them: bytes become a reference in an item, a reference in a
//! configuration becomes bytes again.

use a2n_proto::{Attachment, Json};
use serde_json::Value;

use super::context::Context;
use crate::engine::kind::NodeError;
use crate::system::attachments::{Error, NotTaken};
use crate::system::files::FileError;
use crate::system::{Pieces, whole};

/// Longest name of an attachment, in bytes: that of a file.
const LONGEST_NAME: usize = 255;

/// Puts bytes aside and answers their reference. `source_fault` tells what went wrong where they
/// came from.
pub(super) async fn put_aside<E>(
    context: &Context,
    bytes: Box<dyn Pieces<E>>,
    name: &str,
    media_type: &str,
    source_fault: impl FnOnce(E) -> NodeError,
) -> Result<Attachment, NodeError> {
    let stored = context.attachments.take_in(bytes).await.map_err(|e| match e {
        NotTaken::From(e) => source_fault(e),
        NotTaken::Here(e) => fault(&e),
    })?;
    Ok(Attachment {
        name: file_name(name),
        media_type: media_type.to_owned(),
        size: stored.size,
        hash: stored.hash,
    })
}

/// What a configuration gives as content: an attachment's bytes, a text as it is, anything else as
/// JSON.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Bytes kept beside the store.
    Attachment(Attachment),
    /// A text.
    Text(String),
    /// JSON.
    Json(String),
}

impl Content {
    /// What a resolved value means.
    pub(super) fn of(value: &Value) -> Self {
        match (Attachment::of(value), value) {
            (Some(attachment), _) => Self::Attachment(attachment),
            (None, Value::String(text)) => Self::Text(text.clone()),
            (None, other) => Self::Json(other.to_string()),
        }
    }
    /// Bytes.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Attachment(attachment) => attachment.size,
            Self::Text(text) | Self::Json(text) => text.len() as u64,
        }
    }
    /// Its bytes, read as they are asked for.
    pub(super) async fn open(
        self,
        context: &Context,
    ) -> Result<Box<dyn Pieces<FileError>>, NodeError> {
        match self {
            Self::Attachment(attachment) => {
                let opened = context.attachments.read(attachment.hash).await;
                Ok(opened.map_err(|e| fault(&e))?.pieces)
            }
            Self::Text(text) | Self::Json(text) => Ok(whole(text)),
        }
    }
}

/// A reference as it stands in an item.
pub(super) fn reference(attachment: &Attachment) -> Json {
    Json::of(attachment)
}

fn fault(error: &Error) -> NodeError {
    let kind = match error {
        Error::TooLarge { .. } => "TOO_LARGE",
        Error::Full { .. } | Error::NoRoom => "STORAGE",
        Error::Gone { .. } => "ATTACHMENT",
        Error::Io(_) => "IO",
    };
    NodeError::new(kind, error.to_string())
}

/// Only the last part of what may be a path, without what would disturb a screen or a shell.
fn file_name(said: &str) -> String {
    let last = said.rsplit(['/', '\\']).next().unwrap_or("");
    let mut name: String = last.chars().filter(|c| !c.is_control()).collect();
    while name.len() > LONGEST_NAME {
        name.pop();
    }
    match name.trim() {
        "" | "." | ".." => "attachment".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path() {
        for (said, wanted) in [
            ("a.png", "a.png"),
            ("/etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("a\u{1b}[31m\n.txt", "a[31m.txt"),
            ("..", "attachment"),
            ("dir/", "attachment"),
            ("", "attachment"),
        ] {
            assert_eq!(file_name(said), wanted);
        }
        assert!(file_name(&"é".repeat(300)).len() <= LONGEST_NAME);
    }
}
