//! Structured logs on standard error. Never a secret, never a clinical value, never a name.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging; `VIGIE_LOG` (default `info`) chooses what is logged, `VIGIE_LOG_FORMAT=json` how.
/// Calling it again has no effect (tests).
pub fn start_logs(filter: &str, json: bool) {
    // Notices of PostgreSQL that sqlx passes on: the ROLLBACK that cleans every connection on its way back to
    // the pool would otherwise say each time that there was nothing to roll back.
    let filter = EnvFilter::try_new(format!("{filter},sqlx::postgres::notice=error"))
        .unwrap_or_else(|_| EnvFilter::new("info,sqlx::postgres::notice=error"));
    let registry = tracing_subscriber::registry().with(filter);
    let started = if json {
        registry.with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr)).try_init()
    } else {
        registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_target(false)
                    // Colours are for terminals; in a file or a journal they are noise.
                    .with_ansi(std::io::stderr().is_terminal())
                    .with_writer(std::io::stderr),
            )
            .try_init()
    };
    drop(started);
}
