//! JSON and minijinja's values.
