//! `vigie config check`.

use std::process::ExitCode;

use anyhow::Result;

use super::answer;
use crate::config::{Ca, Config};

/// What to do with the configuration.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Read and cross-check everything that `vigie serve` would read; opens nothing
    Check,
}

/// Says what is in force, without secrets.
pub(crate) fn run(action: Action) -> Result<ExitCode> {
    match action {
        Action::Check => {
            let config = Config::from_environment()?;
            let reports = &config.reports;
            let mail = match &reports.smtp {
                Some(smtp) => format!("{}:{} from {}", smtp.host, smtp.port, smtp.from),
                None => "none; mails wait".to_owned(),
            };
            let further: Vec<_> =
                config.doors.all().iter().map(|(name, place, _)| format!("{name} {place}")).collect();
            let further = if further.is_empty() { "none".to_owned() } else { further.join(", ") };
            let source = match &config.cluster {
                Some(source) if source.tls.is_some() => format!("{} over TLS", source.session()),
                Some(source) => format!("{} without TLS", source.session()),
                None => "none".to_owned(),
            };
            answer(&format!(
                "mqtt_listen = {}\nfurther listeners = {further}\nmqtt_source = {source}\nhttp_listen = {}\nhttp_secure = {}\ninstance = {}\nworkers = {}\nlog = {}\n\
                 reports_after_hours = {}\nreport_workers = {}\nmail server = {mail}\ncertificate authority = {}\nthe configuration is good",
                config.mqtt_listen,
                config.http_listen,
                config.http_secure,
                config.instance,
                config.workers,
                config.log,
                reports.schedule.after.as_hours(),
                reports.workers,
                said_of(&config.ca)
            ))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn said_of(ca: &Ca) -> String {
    match &ca.folder {
        Some(folder) if folder.can_sign() => {
            format!("{}, signs for {} days", folder.path().display(), ca.certificate_days)
        }
        Some(folder) => format!("{}, has no key and does not sign", folder.path().display()),
        None => "none".into(),
    }
}
