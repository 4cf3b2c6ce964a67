//! What a reader of the pictures, with or without eyes, can rely on.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

mod drawing;
mod layers;
mod support;
