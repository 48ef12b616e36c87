//! Fuzzes what `tests/src/fuzz/workflow.rs` says.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| a2n_tests::fuzz::workflow::run(data));
