//! Starts the real things and reads like sentences a nurse would say.

pub mod bench;
pub mod bench_reports;
pub mod demo;
pub mod stand;
pub mod waiting;
