//! Torture: faults and load against the real `a2nd`. One file a kind of harm; `counts.rs` says how
//! often and how to ask for more. What a machine can't do (namespaces, `strace`) is skipped with a
//! line that says so.

#![expect(clippy::disallowed_methods, reason = "what takes how long is told, not asserted")]

mod bad_clients;
mod counts;
mod crowd;
mod descriptors;
mod disk_errors;
mod gone;
mod identity;
mod kill_loop;
mod load;
mod many_clients;
mod memory;
mod small_disk;
mod stop;
mod work;
