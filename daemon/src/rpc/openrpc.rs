//! The OpenRPC document: the contract as data, made from the list of methods.
