//! The JSON API under `/api/v1`.

pub(crate) mod alerts;
pub(crate) mod audit;
pub(crate) mod certificates;
mod cursor;
pub(crate) mod devices;
pub(crate) mod events;
pub(crate) mod extract;
pub(crate) mod health;
pub(crate) mod openapi;
pub(crate) mod patients;
pub(crate) mod readings;
pub(crate) mod reports;
pub(crate) mod rules;
pub(crate) mod session;
mod shapes;
pub(crate) mod worklist;
