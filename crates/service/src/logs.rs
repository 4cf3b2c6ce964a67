//! Structured logs on standard error. Never a secret, never a clinical value, never a name.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging; `VIGIE_LOG` (default `info`) chooses what is logged, `VIGIE_LOG_FORMAT=json` how.
/// Calling it again has no effect (tests).
pub fn start_logs(filter: &str, json: bool) {
    // What the driver has to say (notices of PostgreSQL, slow statements, waits for a connection) is for whoever
    // asks for it, with VIGIE_LOG=info,sqlx=warn. What it means for Vigie, Vigie says itself.
    let filter = if filter.contains("sqlx") { filter.to_owned() } else { format!("{filter},sqlx=error") };
    // Its router names topics, and so devices, in every line.
    let filter = if filter.contains("rumqttd") { filter } else { format!("{filter},rumqttd=off") };
    // It warns of what strangers send; nobody has to look at that.
    let filter = if filter.contains("rustls") { filter } else { format!("{filter},rustls=error") };
    let filter = EnvFilter::try_new(filter)
        .unwrap_or_else(|_| EnvFilter::new("info,sqlx=error,rumqttd=off,rustls=error"));
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
