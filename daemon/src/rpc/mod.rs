//! The socket: three ways in, one dispatcher.
