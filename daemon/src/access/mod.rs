//! Who may do what, and what is written down about it.
//!
//! [`policy`] is the table of all methods and the one decision over it; [`audit`] prepares the
//! values of audit rows, [`record`] writes them. All are pure: the caller and the object are
//! arguments, the transaction is the caller's.

pub mod audit;
pub mod people;
pub mod policy;
pub mod record;
pub mod strangers;
