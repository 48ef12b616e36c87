//! Fuzzes what `tests/src/fuzz/websocket.rs` says.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| a2n_tests::fuzz::websocket::run(data));
