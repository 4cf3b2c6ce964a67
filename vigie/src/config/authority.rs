//! What the certificate authority needs to know.

use std::path::PathBuf;

use anyhow::Result;
use vigie_authority::Folder;

use super::{Get, number};

/// Keys of the file that are read here.
pub(super) const KEYS: [&str; 3] = ["ca_dir", "certificate_days", "claim_days"];

/// Settings of the certificate authority.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ca {
    /// Where it is; with its key there, it signs for devices that ask the dashboard.
    pub(crate) folder: Option<Folder>,
    /// How long what it signs is good.
    pub(crate) certificate_days: i32,
}

/// How long certificates are good unless somebody says something else.
pub(crate) const CERTIFICATE_DAYS: i32 = 90;

impl Ca {
    pub(super) fn read(get: &Get<'_>) -> Result<Self> {
        let folder =
            Some(get("ca_dir", "")).filter(|text| !text.is_empty()).map(PathBuf::from).map(Folder::new);
        let certificate_days = i32::try_from(number(get, "certificate_days", CERTIFICATE_DAYS, 1, 825)?)?;
        // Read by `vigie device claim`; what is wrong is told here as well.
        number(get, "claim_days", "7", 1, 90)?;
        Ok(Self { folder, certificate_days })
    }
}
