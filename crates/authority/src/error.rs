//! Why the authority could not do what it was asked.

use std::path::PathBuf;

/// An error, in one sentence for an operator or for a device's maker.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is an authority already, and it is not overwritten: what it signed would be worthless.
    #[error("there is an authority in {} already; it is not overwritten", .0.display())]
    Exists(PathBuf),
    /// What was read is no certificate, key or request that can be used here.
    #[error("{0}")]
    Unusable(&'static str),
    /// The name cannot stand in a certificate.
    #[error("{0:?} cannot stand in a certificate")]
    Name(String),
    /// Signing or encoding failed.
    #[error("signing failed: {0}")]
    Signing(#[from] rcgen::Error),
}

/// Result of every function here.
pub type Result<T> = std::result::Result<T, Error>;
