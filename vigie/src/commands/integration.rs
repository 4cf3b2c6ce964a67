//! `vigie integration`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use uuid::Uuid;
use vigie_broker::EngineId;
use vigie_service::{Clock, ids};
use vigie_store::audit::{NewEntry, record};
use vigie_store::devices::hash_secret;
use vigie_store::integrations::{self, NewIntegration};
use vigie_store::{Database, Role};

use super::answer;
use crate::locate::Where;
use crate::usage::usage;

/// What to do with integration engines.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Let a program read what the devices of a territory send; its id and secret are shown once
    Add {
        /// The territory's id, or its name
        #[arg(long, value_name = "ID")]
        territory: String,
        /// What people call the program
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Where,
    },
    /// Withdraw a program's access for good; gateways cut it within a minute
    Revoke {
        /// The integration's id
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        place: Where,
    },
}

/// Runs `vigie integration ...`.
pub(crate) async fn run(action: Action) -> Result<ExitCode> {
    match action {
        Action::Add { territory, name, json, place } => {
            if !(1..=100).contains(&name.chars().count()) {
                return Err(usage("--name has 1 to 100 characters"));
            }
            let located = place.locate().await?;
            let added = add(&located.url, &territory, &name).await;
            located.release().await?;
            let (id, secret) = added?;
            let user_name = format!("{}{id}", EngineId::USER_NAME_PREFIX);
            answer(&if json {
                serde_json::json!({ "id": id, "user_name": user_name, "secret": secret }).to_string()
            } else {
                format!(
                    "integration  {id}\nuser name    {user_name}\nsecret       {secret}\n\
                     The secret is shown this once. The MQTT client id is free, one for each connection."
                )
            })?;
        }
        Action::Revoke { id, place } => {
            let id: Uuid =
                id.parse().map_err(|_| usage(format!("{id} is not an integration's id (a UUID)")))?;
            let located = place.locate().await?;
            let revoked = revoke(&located.url, id).await;
            located.release().await?;
            revoked?;
            answer(&format!("integration  {id}  revoked"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(url: &str, territory: &str, name: &str) -> Result<(Uuid, String)> {
    let clock = Clock::system();
    let now = clock.now();
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    let found = integrations::territory(&mut tx, territory).await?;
    let territory =
        found.ok_or_else(|| usage(format!("--territory {territory}: there is no such territory")))?;
    let (id, secret) = (ids::new_v7(&clock), ids::random_text::<32>());
    let new = NewIntegration {
        id,
        territory,
        name: name.to_owned(),
        secret_hash: hash_secret(secret.as_bytes()),
        created_at: now,
    };
    integrations::add(&mut tx, &new).await.map_err(|error| {
        if error.is_constraint("integration_territory_id_name_key") {
            usage(format!("the name {name} is taken in this territory"))
        } else {
            anyhow::Error::from(error).context("adding")
        }
    })?;
    record(&mut tx, entry(now, "integration.add", &format!("{id} {name}"))).await?;
    tx.commit().await?;
    database.close().await;
    Ok((id, secret))
}

async fn revoke(url: &str, id: Uuid) -> Result<()> {
    let now = Clock::system().now();
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    if !integrations::revoke(&mut tx, id, now).await? {
        return Err(usage(format!("there is no integration {id}, or it is revoked already")));
    }
    record(&mut tx, entry(now, "integration.revoke", &id.to_string())).await?;
    tx.commit().await?;
    database.close().await;
    Ok(())
}

fn entry<'a>(at: jiff::Timestamp, action: &'a str, detail: &'a str) -> NewEntry<'a> {
    NewEntry {
        at,
        actor: None,
        actor_name: "administrator at the command line",
        action,
        patient: None,
        request_id: "command line",
        detail,
    }
}
