//! Starts the real things and reads like sentences a nurse would say.

pub mod bench;
pub mod bench_reports;
pub mod demo;
pub mod naive_rules;
pub mod stand;
pub mod waiting;
