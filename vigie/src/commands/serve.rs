//! `vigie serve`: logs, then all configuration, then the database, then sockets; then wait; then drain.

use std::process::ExitCode;

use anyhow::Result;
use vigie_service::{Clock, start_logs};

use crate::config::Config;
use crate::services::{Roles, Services, Settings, stop_signal};
use crate::usage::usage;

/// Options of `vigie serve`; everything else comes from the environment (see `vigie config check`).
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Which roles run in this process: gateway, alerts, reports, dashboard
    #[arg(
        long,
        value_name = "ROLES",
        value_delimiter = ',',
        default_value = "gateway,alerts,reports,dashboard"
    )]
    roles: Vec<String>,
}

/// Runs until told to stop.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let roles = parse_roles(&arguments.roles)?;
    let config = Config::from_environment()?;
    start_logs(&config.log, config.log_json);
    let settings = Settings {
        database_url: config.database_url,
        mqtt_listen: config.mqtt_listen,
        http_listen: config.http_listen,
        http_secure: config.http_secure,
        instance: config.instance,
        workers: config.workers,
        reports: config.reports,
        ca: config.ca,
        bounds: config.bounds,
        commands: config.commands,
        doors: config.doors,
    };
    let services = Services::start(roles, settings, Clock::system()).await?;
    tracing::info!(mqtt = ?services.mqtt, doors = ?services.doors, http = ?services.http, ?roles, "serving");
    let broken = services.broken.clone();
    let code = tokio::select! {
        signal = stop_signal() => {
            signal?;
            tracing::info!("stopping");
            ExitCode::SUCCESS
        }
        () = broken.cancelled() => {
            tracing::error!("a role ended by itself; stopping");
            ExitCode::FAILURE
        }
    };
    services.stop().await;
    tracing::info!("stopped");
    Ok(code)
}

fn parse_roles(names: &[String]) -> Result<Roles> {
    let mut roles = Roles { gateway: false, alerts: false, reports: false, dashboard: false };
    for name in names {
        match name.as_str() {
            "gateway" => roles.gateway = true,
            "alerts" => roles.alerts = true,
            "reports" => roles.reports = true,
            "dashboard" => roles.dashboard = true,
            other => {
                return Err(usage(format!(
                    "{other:?} is no role; there are gateway, alerts, reports and dashboard"
                )));
            }
        }
    }
    Ok(roles)
}
