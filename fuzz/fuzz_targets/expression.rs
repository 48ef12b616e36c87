//! Fuzzes what `tests/src/fuzz/expression.rs` says.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| a2n_tests::fuzz::expression::run(data));
