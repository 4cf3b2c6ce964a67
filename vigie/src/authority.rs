//! The certificate authority as the commands and the roles of this binary use it: where it is, and how it signs for
//! devices that ask the dashboard.

use std::path::PathBuf;

use anyhow::{Context, Result};
use jiff::Timestamp;
use vigie_authority::{Authority, Current, Folder, Request};
use vigie_dashboard_api::{IssuedCertificate, Issuer, IssuerError};
use vigie_store::{Tx, certificates};

use crate::locate::Where;
use crate::usage::usage;

/// The name of an authority that nobody named.
pub(crate) const DEFAULT_NAME: &str = "Vigie device authority";

/// Where the certificate authority is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CaPlace {
    /// The folder of the certificate authority [default: ca in the data directory of a demo]
    #[arg(long, value_name = "DIR", env = "VIGIE_CA_DIR")]
    ca_dir: Option<PathBuf>,
}

impl CaPlace {
    fn named(&self) -> Option<Folder> {
        self.ca_dir.as_ref().filter(|path| !path.as_os_str().is_empty()).map(Folder::new)
    }

    /// The folder, whether or not an authority is there.
    pub(crate) fn folder(&self, place: &Where) -> Folder {
        self.named().unwrap_or_else(|| demo_folder(&place.data_dir()))
    }

    /// The authority with its key. That of a demo is made when it is needed first.
    pub(crate) fn open(&self, place: &Where, now: Timestamp) -> Result<(Folder, Authority)> {
        let folder = self.folder(place);
        if folder.can_sign() {
            return Ok((folder.clone(), folder.open().map_err(culprit)?));
        }
        if self.named().is_none() && place.data_dir().join("postgresql").is_dir() {
            let made = folder.create(DEFAULT_NAME, now).map_err(culprit)?;
            return Ok((folder, made));
        }
        Err(usage(format!(
            "there is no certificate authority in {0}; vigie ca init --out {0} makes one",
            folder.path().display()
        )))
    }
}

/// Where the authority of a demo is.
pub(crate) fn demo_folder(data_dir: &std::path::Path) -> Folder {
    Folder::new(data_dir.join("ca"))
}

/// The sentence of an error of the authority is for the operator.
pub(crate) fn culprit(error: vigie_authority::Error) -> anyhow::Error {
    usage(error.to_string())
}

/// Writes the list of revoked certificates as the database knows them.
pub(crate) async fn write_revocation_list(
    folder: &Folder,
    authority: &Authority,
    tx: &mut Tx,
    now: Timestamp,
) -> Result<(PathBuf, usize)> {
    let revoked: Vec<_> = certificates::revoked(tx, now)
        .await?
        .into_iter()
        .map(|line| vigie_authority::Revoked { serial: line.serial, at: line.at })
        .collect();
    let path =
        folder.write_revocation_list(authority, &revoked, now).context("writing the revocation list")?;
    Ok((path, revoked.len()))
}

/// Signs for devices that ask the dashboard. The key is read for each certificate and is not kept in memory.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) folder: Folder,
    pub(crate) days: i32,
}

impl Issuer for Signer {
    fn check(&self, request: &str) -> Result<(), String> {
        Request::parse(request).map(|_| ()).map_err(|error| error.to_string())
    }

    fn proven(&self, request: &str, certificate: &str, signature: &[u8]) -> Result<Option<[u8; 32]>, String> {
        let request = Request::parse(request).map_err(|error| error.to_string())?;
        let current = Current::parse(certificate).map_err(|error| error.to_string())?;
        Ok(current.has_signed(request.der(), signature).then_some(current.fingerprint))
    }

    fn issue(&self, device: &str, request: &str, now: Timestamp) -> Result<IssuedCertificate, IssuerError> {
        let failed = |error: vigie_authority::Error| IssuerError(error.to_string());
        let authority = self.folder.open().map_err(failed)?;
        let request = Request::parse(request).map_err(failed)?;
        let issued = authority.device(device, &request, now, self.days).map_err(failed)?;
        Ok(IssuedCertificate {
            pem: issued.pem,
            authority_pem: authority.pem().to_owned(),
            serial: issued.serial,
            fingerprint: issued.fingerprint,
            expires_at: issued.expires_at,
        })
    }
}
