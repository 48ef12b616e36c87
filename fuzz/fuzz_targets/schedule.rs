//! Fuzzes what `tests/src/fuzz/schedule.rs` says.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| a2n_tests::fuzz::schedule::run(data));
