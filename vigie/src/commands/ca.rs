//! `vigie ca`: the certificate authority that devices and listeners get their certificates from.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use vigie_authority::Folder;
use vigie_service::Clock;
use vigie_store::{Database, Role};

use super::answer;
use crate::authority::{CaPlace, DEFAULT_NAME, culprit, write_revocation_list};
use crate::locate::Where;

/// What to do with the authority.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Make an authority: a root key (mode 0600) and its certificate. Nothing is ever overwritten
    Init {
        /// Where to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Its name, as devices see it
        #[arg(long, default_value = DEFAULT_NAME)]
        name: String,
    },
    /// Make a key and a certificate for the listener, or renew it; a running listener takes it over by itself
    Server {
        /// A name or an IP address by which devices reach it (repeat for several)
        #[arg(long = "name", value_name = "HOST", required = true)]
        names: Vec<String>,
        /// How long it is good
        #[arg(long, env = "VIGIE_CERTIFICATE_DAYS", default_value_t = 90, value_parser = clap::value_parser!(i32).range(1..=825))]
        days: i32,
        #[command(flatten)]
        ca: CaPlace,
        #[command(flatten)]
        place: Where,
    },
    /// Write the list of revoked certificates anew; once a month, and vigie device revoke does it as well
    Crl {
        #[command(flatten)]
        ca: CaPlace,
        #[command(flatten)]
        place: Where,
    },
}

/// Runs `vigie ca ...`.
pub(crate) async fn run(action: Action) -> Result<ExitCode> {
    let now = Clock::system().now();
    let said = match action {
        Action::Init { out, name } => {
            let folder = Folder::new(out);
            folder.create(&name, now).map_err(culprit)?;
            format!(
                "key          {}\ncertificate  {}\nWhoever has the key can be any device: keep it off the hosts that do not sign.",
                folder.key().display(),
                folder.certificate().display()
            )
        }
        Action::Server { names, days, ca, place } => {
            let (folder, authority) = ca.open(&place, now)?;
            let made = authority.server(&names, now, days).map_err(culprit)?;
            folder.write_server(&made).map_err(culprit)?;
            format!(
                "key          {}\ncertificate  {}\ngood until   {}",
                folder.server_key().display(),
                folder.server_certificate().display(),
                made.issued.expires_at
            )
        }
        Action::Crl { ca, place } => list(&ca, &place).await?,
    };
    answer(&said)?;
    Ok(ExitCode::SUCCESS)
}

async fn list(ca: &CaPlace, place: &Where) -> Result<String> {
    let now = Clock::system().now();
    let (folder, authority) = ca.open(place, now)?;
    let located = place.locate().await?;
    let written = async {
        let database = Database::connect(&located.url, Role::Admin, 1).await.context("connecting")?;
        let mut tx = database.begin().await?;
        let written = write_revocation_list(&folder, &authority, &mut tx, now).await?;
        tx.commit().await?;
        database.close().await;
        anyhow::Ok(written)
    }
    .await;
    located.release().await?;
    let (path, revoked) = written?;
    Ok(format!("revocation list  {}\nrevoked          {revoked}", path.display()))
}
