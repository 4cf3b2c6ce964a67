//! What stops a simulation. A server that is away is no error: devices wait and try again.

use std::path::PathBuf;

/// Why the simulator cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration makes no sense; the text names the culprit.
    #[error("{0}")]
    Config(String),
    /// A device's memory or the list of acknowledgements cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    State {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A device's memory is damaged.
    #[error("{} is damaged at line {line}: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Its line, from one.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Another simulator uses the same folder: two would give the same number to different readings.
    #[error("{} is in use by another simulator", .0.display())]
    InUse(PathBuf),
    /// A task of the simulator ended in a way that it must not.
    #[error("a simulated device failed: {0}")]
    Task(String),
}
