//! The mail server as the operator describes it, checked before anything is sent.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters, TlsParametersBuilder};
use lettre::transport::smtp::extension::ClientId;

use super::address::{self, AddressProblem, Channel};

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS after STARTTLS, required (usually port 587). The default.
    StartTls,
    /// TLS from the first byte (usually port 465).
    Tls,
    /// In clear: only to a server on this machine.
    None,
}

impl Security {
    /// `starttls`, `tls` or `none`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "starttls" => Some(Self::StartTls),
            "tls" => Some(Self::Tls),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// User and password. Printed without the password.
#[derive(Clone)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How long to wait for a mail server.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For the connection (10 s).
    pub connect: Duration,
    /// For one answer, and for the change to TLS (30 s).
    pub command: Duration,
    /// For a whole mail (2 min): well below the lease of a delivery, so that nobody else begins the same one meanwhile.
    pub whole: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            command: Duration::from_secs(30),
            whole: Duration::from_mins(2),
        }
    }
}

/// The mail server and who writes.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Name or address of the server; the name that its certificate must carry.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the way there is protected.
    pub security: Security,
    /// User and password, where the server asks for them. Never sent in clear.
    pub login: Option<Login>,
    /// Certificates (PEM) of a private authority. With them, no other authority is believed.
    pub authority: Option<Vec<u8>>,
    /// The sender of all mails; also where the server's later notices of non-delivery go.
    pub from: String,
    /// Domains of MSSanté (see [`address::check`]).
    pub mssante_domains: Vec<String>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl Smtp {
    /// STARTTLS on port 587, no log-in, the authorities of the system, the MSSanté domains of DOMAIN.md 3.6.
    pub fn new(host: impl Into<String>, from: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: 587,
            security: Security::StartTls,
            login: None,
            authority: None,
            from: from.into(),
            mssante_domains: address::MSSANTE_DOMAINS.map(str::to_owned).into(),
            timeouts: Timeouts::default(),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsProblem {
    /// The sender is no address.
    #[error("the sender of reports: {0}")]
    From(#[source] AddressProblem),
    /// In clear over a network.
    #[error("without TLS, mails go only to a server on this machine (127.0.0.1, ::1, localhost), not to {0}")]
    Clear(String),
    /// A password in clear.
    #[error("a user and password are only sent under TLS")]
    ClearLogin,
    /// No certificate in the file of the private authority.
    #[error("the file of the private certificate authority holds no certificate in PEM form")]
    Authority,
    /// A domain of MSSanté that is none.
    #[error("'{0}' is no domain of MSSanté")]
    Domain(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// Settings that were checked, in the form in which they are used.
#[derive(Clone)]
pub(super) struct Checked {
    pub(super) from: Address,
    pub(super) hello: ClientId,
    /// `None`: in clear, to this machine.
    pub(super) tls: Option<TlsParameters>,
    /// May this sender write to MSSanté?
    pub(super) sends_mssante: bool,
}

impl Smtp {
    pub(super) fn check(&self) -> Result<Checked, SettingsProblem> {
        let from = address::check(Channel::Email, &self.from, &[]).map_err(SettingsProblem::From)?;
        for domain in &self.mssante_domains {
            let below = domain.strip_prefix('.').unwrap_or(domain);
            if address::check(Channel::Email, &format!("a@{below}"), &[]).is_err() {
                return Err(SettingsProblem::Domain(domain.clone()));
            }
        }
        let tls = match self.security {
            Security::StartTls | Security::Tls => Some(self.tls()?),
            Security::None if !is_this_machine(&self.host) => {
                return Err(SettingsProblem::Clear(self.host.clone()));
            }
            Security::None if self.login.is_some() => return Err(SettingsProblem::ClearLogin),
            Security::None => None,
        };
        let trusted_sender = address::check(Channel::MsSante, &self.from, &self.mssante_domains).is_ok();
        Ok(Checked {
            hello: ClientId::Domain(from.domain().to_owned()),
            from,
            sends_mssante: trusted_sender && tls.is_some(),
            tls,
        })
    }

    fn tls(&self) -> Result<TlsParameters, SettingsProblem> {
        let builder = TlsParametersBuilder::new(self.host.clone());
        let Some(pem) = &self.authority else { return builder.build().map_err(SettingsProblem::Tls) };
        if !pem.windows(b"-----BEGIN CERTIFICATE-----".len()).any(|w| w == b"-----BEGIN CERTIFICATE-----") {
            return Err(SettingsProblem::Authority);
        }
        let certificate = Certificate::from_pem(pem).map_err(|_| SettingsProblem::Authority)?;
        builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate)
            .build()
            .map_err(SettingsProblem::Tls)
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clear(host: &str) -> Smtp {
        Smtp { security: Security::None, ..Smtp::new(host, "reports@vigie.example") }
    }

    #[test]
    fn in_clear_only_to_this_machine_and_never_with_a_password() {
        for host in ["127.0.0.1", "127.1.2.3", "::1", "localhost"] {
            assert!(clear(host).check().is_ok(), "{host}");
        }
        for host in ["mail.example", "192.0.2.1", "localhost.evil.example", "::2", "0.0.0.0"] {
            assert!(matches!(clear(host).check(), Err(SettingsProblem::Clear(_))), "{host}");
        }
        let login = Some(Login { user: "vigie".into(), password: "x".into() });
        let smtp = Smtp { login, ..clear("127.0.0.1") };
        assert!(matches!(smtp.check(), Err(SettingsProblem::ClearLogin)));
    }

    #[test]
    fn only_a_trusted_sender_under_tls_writes_to_mssante() {
        let trusted = "vigie@chu.mssante.fr";
        assert!(Smtp::new("smtp.example", trusted).check().unwrap().sends_mssante);
        assert!(!Smtp::new("smtp.example", "vigie@chu.example").check().unwrap().sends_mssante);
        let smtp = Smtp { security: Security::None, ..Smtp::new("127.0.0.1", trusted) };
        assert!(!smtp.check().unwrap().sends_mssante, "TLS is mandatory");
    }

    #[test]
    fn settings_that_cannot_work_are_told_at_the_start() {
        assert!(matches!(Smtp::new("smtp.example", "nobody").check(), Err(SettingsProblem::From(_))));
        for pem in
            [&b""[..], b"not a certificate", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"]
        {
            let smtp = Smtp { authority: Some(pem.to_vec()), ..Smtp::new("smtp.example", "a@b.example") };
            assert!(smtp.check().is_err(), "{pem:?}");
        }
        for domain in ["", ".", "fr", " .mssante.fr"] {
            let smtp =
                Smtp { mssante_domains: vec![domain.into()], ..Smtp::new("smtp.example", "a@b.example") };
            assert!(matches!(smtp.check(), Err(SettingsProblem::Domain(_))), "{domain:?}");
        }
    }

    #[test]
    fn the_password_is_never_printed() {
        let login = Some(Login { user: "vigie".into(), password: "geheim".into() });
        let smtp = Smtp { login, ..Smtp::new("smtp.example", "a@b.example") };
        assert!(!format!("{smtp:?}").contains("geheim"));
    }
}
