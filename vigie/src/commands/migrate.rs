//! `vigie migrate`.

use std::process::ExitCode;

use anyhow::{Context, Result};

use super::answer;
use crate::locate::Where;

/// Options of `vigie migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Where,
}

/// Applies what is missing.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let located = arguments.place.locate().await?;
    vigie_store::migrate(&located.url).await.context("migrating")?;
    located.release().await?;
    answer("the database is up to date")?;
    Ok(ExitCode::SUCCESS)
}
