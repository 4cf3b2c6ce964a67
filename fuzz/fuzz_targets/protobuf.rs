//! A batch of readings as protobuf.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vigie_fuzz::payload(vigie_wire::Encoding::Protobuf, bytes));
