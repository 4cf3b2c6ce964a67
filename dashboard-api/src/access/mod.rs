//! Who asks, and whether they may: passwords, sessions, roles, and requests forged by other sites.

pub(crate) mod guard;
pub(crate) mod login;
pub(crate) mod password;
pub(crate) mod session;
