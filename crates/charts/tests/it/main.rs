//! What a reader of the pictures, with or without eyes, can rely on.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

mod adherence;
mod drawing;
mod layers;
mod range_bar;
mod sparkline;
mod support;
