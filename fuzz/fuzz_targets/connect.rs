//! The first packet of a connection, as the listener reads it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vigie_broker::fuzzing::connect(bytes));
