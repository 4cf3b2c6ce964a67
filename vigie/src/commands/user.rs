//! `vigie user`.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use vigie_service::{Clock, ids};
use vigie_store::setup::{NewStaff, add_staff, care_team_names, find_care_team};
use vigie_store::{Database, Role};
use vigie_vitals::UserId;

use super::answer;
use crate::locate::Where;
use crate::usage::usage;

const ROLES: [&str; 5] = ["nurse", "physician", "coordinator", "administrator", "technician"];

/// Shortest password taken from a person (CNIL 2022-100: 12 characters with some complexity, or more).
const PASSWORD_CHARACTERS_MIN: usize = 12;

/// What to do with accounts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Add an account; without --password-file a password is made and shown once
    Add {
        /// Log-in name
        #[arg(long)]
        login: String,
        /// nurse, physician, coordinator, administrator or technician
        #[arg(long)]
        role: String,
        /// Name shown to colleagues [default: the log-in]
        #[arg(long)]
        name: Option<String>,
        /// Care team (repeat for several); nobody sees patients of a team they are not in
        #[arg(long = "team", value_name = "NAME")]
        teams: Vec<String>,
        /// fr or en
        #[arg(long, default_value = "fr")]
        locale: String,
        /// A file whose first line is the password
        #[arg(long, value_name = "FILE")]
        password_file: Option<std::path::PathBuf>,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Where,
    },
}

/// Runs `vigie user ...`.
pub(crate) async fn run(action: Action) -> Result<ExitCode> {
    let Action::Add { login, role, name, teams, locale, password_file, json, place } = action;
    if !ROLES.contains(&role.as_str()) {
        return Err(usage(format!("--role {role} is unknown; there are {}", ROLES.join(", "))));
    }
    if !["fr", "en"].contains(&locale.as_str()) {
        return Err(usage(format!("--locale {locale} is neither fr nor en")));
    }
    let (password, made) = match password_file {
        Some(path) => {
            let text = std::fs::read_to_string(&path).map_err(|error| {
                usage(format!("--password-file {} cannot be read: {error}", path.display()))
            })?;
            (text.lines().next().unwrap_or_default().to_owned(), false)
        }
        None => (ids::random_text::<15>(), true),
    };
    if password.chars().count() < PASSWORD_CHARACTERS_MIN {
        return Err(usage(format!("a password has at least {PASSWORD_CHARACTERS_MIN} characters")));
    }
    let located = place.locate().await?;
    let staff = NewStaff {
        id: UserId(ids::new_v7(&Clock::system())),
        territory: vigie_vitals::TerritoryId(uuid::Uuid::nil()),
        display_name: name.unwrap_or_else(|| login.clone()),
        password_hash: vigie_dashboard_api::hash_password(&password).map_err(|error| anyhow!("{error}"))?,
        login,
        role,
        locale,
    };
    let added = add(&located.url, staff.clone(), &teams).await;
    located.release().await?;
    added?;
    answer(&if json {
        serde_json::json!({ "id": staff.id, "login": staff.login, "role": staff.role,
            "password": made.then_some(&password) })
        .to_string()
    } else if made {
        format!("login     {}\npassword  {password}\nThe password is shown this once.", staff.login)
    } else {
        format!("login     {}", staff.login)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn add(url: &str, mut staff: NewStaff, names: &[String]) -> Result<()> {
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    let known = care_team_names(&mut tx).await?;
    // Somebody without a team (a technician) belongs to the territory of the first team.
    let place = names.first().or(known.first());
    let Some(place) = place else { return Err(usage("there is no care team yet: add patients first")) };
    let mut teams = Vec::new();
    for name in names.iter().chain(names.is_empty().then_some(place)) {
        let Some((team, territory)) = find_care_team(&mut tx, name).await? else {
            return Err(usage(format!("there is no care team {name:?}; there are {}", known.join(", "))));
        };
        staff.territory = territory;
        if !names.is_empty() {
            teams.push(team);
        }
    }
    add_staff(&mut tx, &staff, &teams).await.map_err(|error| {
        if error.is_constraint("staff_login_key") {
            usage(format!("the log-in {} is taken", staff.login))
        } else {
            anyhow::Error::from(error).context("adding the account")
        }
    })?;
    tx.commit().await?;
    database.close().await;
    Ok(())
}
