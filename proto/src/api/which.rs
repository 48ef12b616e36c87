//! [`Which`]: the one thing a call is about, by id or by name.

use crate::{ErrorKind, RpcError};

/// The one thing a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which<I> {
    /// By id.
    Id(I),
    /// By name: the caller's own, else the only visible one of that name.
    Name(String),
    /// By `owner/name`; the owner by e-mail or Unix name.
    OwnersName {
        /// Whose it is.
        owner: String,
        /// Its name there.
        name: String,
    },
}

impl<I> Which<I> {
    /// What `{id}` or `{name}` of a call's params says; exactly one of them has to be there.
    pub fn of(id: Option<I>, name: Option<&str>) -> Result<Self, RpcError> {
        match (id, name) {
            (Some(id), None) => Ok(Self::Id(id)),
            (None, Some(text)) => match text.split_once('/') {
                None => Ok(Self::Name(text.to_owned())),
                Some((owner, name)) => {
                    Ok(Self::OwnersName { owner: owner.to_owned(), name: name.to_owned() })
                }
            },
            (Some(_), Some(_)) => Err(RpcError::new(ErrorKind::Params, "both id and name given")
                .at("name")
                .hint("give one of them")),
            (None, None) => Err(RpcError::new(ErrorKind::Params, "neither id nor name given")
                .at("id")
                .hint("give the id, the name, or owner/name")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_name_and_owners_name_are_told_apart() {
        assert_eq!(Which::of(Some(7), None), Ok(Which::Id(7)));
        assert_eq!(Which::<u8>::of(None, Some("a")), Ok(Which::Name("a".into())));
        assert_eq!(
            Which::<u8>::of(None, Some("bob@x/a")),
            Ok(Which::OwnersName { owner: "bob@x".into(), name: "a".into() })
        );
        assert!(Which::<u8>::of(None, None).is_err());
        assert!(Which::of(Some(1), Some("a")).is_err());
    }
}
