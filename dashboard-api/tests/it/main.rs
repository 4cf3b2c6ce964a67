//! The dashboard on a real database, through its router and through a real socket.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code fails by panicking"
)]

mod access;
mod alerts;
mod certificates;
mod devices;
mod events;
mod intake;
mod login;
mod pages;
mod patients;
mod problems;
mod reports;
mod rules;
mod world;
