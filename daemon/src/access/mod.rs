//! Who may do what, and what is written down about it.
//!
//! [`policy`] is the table of all methods and the one decision over it; [`audit`] prepares the
//! values of audit rows. Both are pure: the caller and the object are arguments.

pub mod audit;
pub mod policy;
