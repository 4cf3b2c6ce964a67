//! One named case per statement of MQTT 3.1.1 and 5.0 that binds a server, against the real listener over TCP.
//!
//! `statements_v311.txt` and `statements_v5.txt` list every normative statement with its cases, or why it has none;
//! `table` keeps list and cases together. `expected_failures.txt` may only shrink. docs/conformance.md says how to
//! run it against another server.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests: a failure is the failure of the test"
)]

/// Makes a test of each case, and a list of their names.
macro_rules! cases {
    ($($name:ident => $case:expr;)*) => {
        /// The cases of this file.
        pub(crate) const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                crate::run::run(stringify!($name), $case);
            }
        )*
    };
}

mod auth;
mod client;
mod clients;
mod connect;
mod fields;
mod flow;
mod forwarding;
mod malformed;
mod order;
mod publish;
mod qos;
mod retained;
mod run;
mod server;
mod sessions;
mod shared;
mod subscribe;
mod table;
mod topics;
mod wills;
mod wire;
