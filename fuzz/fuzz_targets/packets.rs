//! Packets of a connection after its log-in, in either version.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vigie_broker::fuzzing::packets(bytes));
