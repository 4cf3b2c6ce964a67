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
    /// Which roles run in this process: gateway, ingest, alerts, reports, dashboard [default: all; ingest only with a
    /// source]
    #[arg(long, value_name = "ROLES", value_delimiter = ',')]
    roles: Option<Vec<String>>,
    /// A region's own MQTT cluster that the ingest role reads from, such as mqtts://user@host:8883; goes before
    /// VIGIE_MQTT_SOURCE. The password is in the file VIGIE_MQTT_SOURCE_PASSWORD_FILE
    #[arg(long, value_name = "URL")]
    mqtt_source: Option<String>,
}

/// Runs until told to stop.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let named = arguments.roles.as_deref().map(parse_roles).transpose()?;
    let config = Config::from_environment_and_source(arguments.mqtt_source.as_deref())?;
    let roles = named.unwrap_or(Roles { ingest: config.cluster.is_some(), ..Roles::ALL });
    if roles.ingest && config.cluster.is_none() {
        return Err(usage(
            "the role ingest needs --mqtt-source or VIGIE_MQTT_SOURCE: where does it read from?",
        ));
    }
    if arguments.mqtt_source.is_some() && !roles.ingest {
        return Err(usage("--mqtt-source is for the role ingest, which --roles does not name"));
    }
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
        cluster: config.cluster,
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
    let mut roles = Roles { gateway: false, ingest: false, alerts: false, reports: false, dashboard: false };
    for name in names {
        match name.as_str() {
            "gateway" => roles.gateway = true,
            "ingest" => roles.ingest = true,
            "alerts" => roles.alerts = true,
            "reports" => roles.reports = true,
            "dashboard" => roles.dashboard = true,
            other => {
                return Err(usage(format!(
                    "{other:?} is no role; there are gateway, ingest, alerts, reports and dashboard"
                )));
            }
        }
    }
    Ok(roles)
}
