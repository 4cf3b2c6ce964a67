//! What a reader of the pictures, with or without eyes, can rely on.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

mod adherence;
mod daily_profile;
mod drawing;
mod lanes;
mod layers;
mod range_bar;
mod small_days;
mod sparkline;
mod support;
