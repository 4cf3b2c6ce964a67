//! `vigie patient`: until a hospital's own system does it over an interface.

use std::process::ExitCode;

use anyhow::{Context, Result};
use jiff::civil::Date;
use vigie_service::{Clock, ids};
use vigie_store::setup::{NewPatient, add_patient, care_team, start_plan, territory};
use vigie_store::{Database, Role};
use vigie_vitals::PatientId;
use vigie_vitals::plans::CarePlan;

use super::answer;
use crate::locate::Where;
use crate::usage::usage;

/// What to do with patients.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Register a patient and start a care plan; territory and care team are made if they are not there
    Add(New),
}

/// A patient to register.
#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// Territory
    #[arg(long)]
    territory: String,
    /// Care team
    #[arg(long)]
    team: String,
    /// The organisation's own number of the patient (not the national identity number)
    #[arg(long)]
    identifier: String,
    /// Surname
    #[arg(long)]
    family_name: String,
    /// First name
    #[arg(long)]
    given_name: String,
    /// Date of birth, as 1948-05-21
    #[arg(long, value_name = "DATE")]
    birth_date: String,
    /// female, male or unknown
    #[arg(long, default_value = "unknown")]
    sex: String,
    /// fr or en
    #[arg(long, default_value = "fr")]
    language: String,
    /// IANA time zone
    #[arg(long, default_value = "Europe/Paris")]
    time_zone: String,
    /// Care plan: diabetes, diabetes_cgm, heart_failure, oral_anticoagulation (repeat for several)
    #[arg(long = "plan", value_name = "PLAN", required = true)]
    plans: Vec<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// Runs `vigie patient ...`.
pub(crate) async fn run(action: Action) -> Result<ExitCode> {
    let Action::Add(new) = action;
    let birth_date: Date = new
        .birth_date
        .parse()
        .map_err(|_| usage(format!("--birth-date {} is not a date such as 1948-05-21", new.birth_date)))?;
    for (option, value, known) in [
        ("--sex", &new.sex, &["female", "male", "unknown"][..]),
        ("--language", &new.language, &["fr", "en"][..]),
    ] {
        if !known.contains(&value.as_str()) {
            return Err(usage(format!("{option} {value} is none of {}", known.join(", "))));
        }
    }
    jiff::tz::TimeZone::get(&new.time_zone)
        .map_err(|_| usage(format!("--time-zone {} is no IANA time zone", new.time_zone)))?;
    let plans = new
        .plans
        .iter()
        .map(|plan| CarePlan::parse(plan).map_err(|error| usage(format!("--plan: {error}"))))
        .collect::<Result<Vec<_>>>()?;
    let located = new.place.locate().await?;
    let added = add(&located.url, &new, birth_date, &plans).await;
    located.release().await?;
    let id = added?;
    answer(&if new.json { serde_json::json!({ "id": id }).to_string() } else { format!("patient  {id}") })?;
    Ok(ExitCode::SUCCESS)
}

async fn add(url: &str, new: &New, birth_date: Date, plans: &[CarePlan]) -> Result<PatientId> {
    let clock = Clock::system();
    let now = clock.now();
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    let territory = territory(&mut tx, &new.territory, ids::new_v7(&clock)).await?;
    let patient = NewPatient {
        id: PatientId(ids::new_v7(&clock)),
        care_team: care_team(&mut tx, territory, &new.team, ids::new_v7(&clock)).await?,
        identifier: new.identifier.clone(),
        family_name: new.family_name.clone(),
        given_name: new.given_name.clone(),
        birth_date,
        sex: new.sex.clone(),
        language: new.language.clone(),
        time_zone: new.time_zone.clone(),
        watched_since: now,
    };
    add_patient(&mut tx, &patient).await.map_err(|error| {
        if error.is_constraint("patient_territory_id_identifier_key") {
            usage(format!("the identifier {} is taken in this territory", new.identifier))
        } else {
            anyhow::Error::from(error).context("registering")
        }
    })?;
    for plan in plans {
        start_plan(&mut tx, patient.id, *plan, now, now).await?;
    }
    tx.commit().await?;
    database.close().await;
    Ok(patient.id)
}
