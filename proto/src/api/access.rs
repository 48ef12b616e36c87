//! [`Access`]: what a caller needs before a method's body is asked at all.

use crate::identity::Role;
use crate::workflow::SharePermission;

/// What a method needs. There is no default: each method names its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Everyone who can connect, also a user of the operating system without an account.
    Open,
    /// Every account; what it sees in lists is decided row by row in the view.
    Account,
    /// An account with at least this role.
    Role(Role),
    /// An account that owns the workflow in question, or has it shared with this permission, or
    /// has a role that reaches everyone's. Checked in the view, where the object is read.
    Workflow(SharePermission),
}
