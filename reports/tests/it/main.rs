//! Tests of reports: what they say, how they look, and how they reach a practice.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code fails by panicking"
)]

mod content_alerts;
mod content_circumstances;
mod content_plans;
mod content_practice;
mod content_properties;
mod content_support;
mod content_thin;
mod delivery_post;
mod delivery_server;
mod delivery_smtp;
mod delivery_worker;
#[cfg(test)]
mod document_cost;
#[cfg(test)]
mod document_html;
#[cfg(test)]
mod document_pdf;
#[cfg(test)]
mod document_support;
#[cfg(test)]
mod document_tools;
mod making;
