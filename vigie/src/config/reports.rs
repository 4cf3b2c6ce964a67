//! What reports need to know: when they are made, and the mail server that brings them to practices.

use std::path::PathBuf;

use anyhow::Result;
use jiff::SignedDuration;
use vigie_reports::delivery::address::MSSANTE_DOMAINS;
use vigie_reports::delivery::{Login, Mailer, Security, Smtp};
use vigie_reports::schedule::Schedule;

use super::Get;
use super::number;
use crate::usage::usage;

/// Keys of the file that are read here.
pub(super) const KEYS: [&str; 11] = [
    "reports_after_hours",
    "reports_weeks_back",
    "report_workers",
    "reports_from",
    "smtp_host",
    "smtp_port",
    "smtp_security",
    "smtp_user",
    "smtp_password_file",
    "smtp_ca_file",
    "mssante_domains",
];

/// Settings of the reports role.
#[derive(Debug, Clone)]
pub(crate) struct Reports {
    pub(crate) schedule: Schedule,
    pub(crate) workers: usize,
    /// Without a mail server mails wait.
    pub(crate) smtp: Option<Smtp>,
    pub(crate) mssante_domains: Vec<String>,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            schedule: Schedule::default(),
            workers: 2,
            smtp: None,
            mssante_domains: MSSANTE_DOMAINS.map(str::to_owned).to_vec(),
        }
    }
}

impl Reports {
    pub(super) fn read(get: &Get<'_>) -> Result<Self> {
        let hours = number(get, "reports_after_hours", "6", 0, 72)?;
        let weeks = number(get, "reports_weeks_back", "4", 1, 52)?;
        let mssante_domains = domains(&get("mssante_domains", &MSSANTE_DOMAINS.join(",")))?;
        Ok(Self {
            schedule: Schedule {
                after: SignedDuration::from_hours(i64::try_from(hours)?),
                weeks_back: i64::try_from(weeks)?,
            },
            workers: number(get, "report_workers", "2", 1, 64)?,
            smtp: smtp(get, &mssante_domains)?,
            mssante_domains,
        })
    }
}

/// `.mssante.fr,.test.mssante.fr`.
fn domains(text: &str) -> Result<Vec<String>> {
    let domains: Vec<String> = text
        .split(',')
        .map(|domain| domain.trim().to_lowercase())
        .filter(|domain| !domain.is_empty())
        .collect();
    match domains.iter().find(|domain| !domain.starts_with('.')) {
        Some(wrong) => Err(usage(format!("VIGIE_MSSANTE_DOMAINS: {wrong:?} does not begin with a dot"))),
        None => Ok(domains),
    }
}

fn smtp(get: &Get<'_>, mssante_domains: &[String]) -> Result<Option<Smtp>> {
    let host = get("smtp_host", "");
    if host.is_empty() {
        let left_over = ["smtp_port", "smtp_security", "smtp_user", "smtp_password_file", "smtp_ca_file"];
        return match left_over.into_iter().find(|key| !get(key, "").is_empty()) {
            Some(key) => Err(usage(format!("VIGIE_{} is set without VIGIE_SMTP_HOST", key.to_uppercase()))),
            None => Ok(None),
        };
    }
    let from = get("reports_from", "");
    if from.is_empty() {
        return Err(usage("VIGIE_SMTP_HOST is set without VIGIE_REPORTS_FROM, the sender of the mails"));
    }
    let mut smtp = Smtp::new(host, from);
    let security = get("smtp_security", "starttls");
    smtp.security = Security::parse(&security)
        .ok_or_else(|| usage(format!("VIGIE_SMTP_SECURITY is starttls, tls or none, not {security:?}")))?;
    let usual = if smtp.security == Security::Tls { "465" } else { "587" };
    let port = number(get, "smtp_port", usual, 1, 65_535)?;
    smtp.port = u16::try_from(port)?;
    smtp.login = login(&get("smtp_user", ""), &get("smtp_password_file", ""))?;
    smtp.authority = read("VIGIE_SMTP_CA_FILE", &get("smtp_ca_file", ""))?;
    smtp.mssante_domains = mssante_domains.to_vec();
    // Everything that can be checked without a server is checked before any socket opens.
    Mailer::new(smtp.clone()).map_err(|error| usage(format!("the mail server's settings: {error}")))?;
    Ok(Some(smtp))
}

fn login(user: &str, file: &str) -> Result<Option<Login>> {
    match (user, read("VIGIE_SMTP_PASSWORD_FILE", file)?) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err(usage("VIGIE_SMTP_PASSWORD_FILE is set without VIGIE_SMTP_USER")),
        (_, None) => Err(usage("VIGIE_SMTP_USER is set without VIGIE_SMTP_PASSWORD_FILE")),
        (user, Some(bytes)) => {
            let password = String::from_utf8(bytes)
                .map_err(|_| usage("VIGIE_SMTP_PASSWORD_FILE is not text"))?
                .trim()
                .to_owned();
            if password.is_empty() {
                return Err(usage(format!("VIGIE_SMTP_PASSWORD_FILE={file} is empty")));
            }
            Ok(Some(Login { user: user.to_owned(), password }))
        }
    }
}

fn read(name: &str, path: &str) -> Result<Option<Vec<u8>>> {
    if path.is_empty() {
        return Ok(None);
    }
    std::fs::read(PathBuf::from(path))
        .map(Some)
        .map_err(|error| usage(format!("{name}={path} cannot be read: {error}")))
}

/// Domain of the Message-ID where there is no mail server yet (RFC 2606: never anybody's).
pub(crate) const NO_DOMAIN: &str = "vigie.invalid";

/// Domain of the Message-ID: the sender's.
pub(crate) fn message_domain(smtp: &Smtp) -> String {
    smtp.from.rsplit_once('@').map_or(NO_DOMAIN, |(_, domain)| domain).to_owned()
}
