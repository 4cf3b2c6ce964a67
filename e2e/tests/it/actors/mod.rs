//! Who takes part: the house (one demo for all tests that do not stop it), devices, staff with a program, and a
//! nurse with a browser.

pub(crate) mod api;
pub(crate) mod batch;
pub(crate) mod browser;
pub(crate) mod house;
pub(crate) mod mosquitto;
pub(crate) mod paho;
pub(crate) mod raw;
