//! `vigie practice`: who receives reports.

use std::process::ExitCode;

use anyhow::{Context, Result};
use vigie_reports::delivery::address;
use vigie_service::{Clock, ids};
use vigie_store::reports::PracticeId;
use vigie_store::reports::practices::{self, Channel, Practice};
use vigie_store::setup::territory;
use vigie_store::{Database, Role};
use vigie_vitals::PatientId;

use super::answer;
use crate::config::mssante_domains;
use crate::locate::Where;
use crate::usage::usage;

/// What to do with practices.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Add a practice that receives reports
    Add(New),
    /// Change where the reports of a practice go from now on
    Address(NewAddress),
    /// A practice follows a patient from now on: it receives the patient's reports
    Follow(Follow),
    /// A practice follows a patient no longer
    Unfollow(Follow),
    /// All practices
    List(List),
}

/// A practice to add.
#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// Territory, made if it is not there
    #[arg(long)]
    territory: String,
    /// Its name
    #[arg(long)]
    name: String,
    #[command(flatten)]
    address: Addresses,
    /// fr or en: the language of its reports
    #[arg(long, default_value = "fr")]
    language: String,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// Where reports go.
#[derive(Debug, clap::Args)]
pub(crate) struct Addresses {
    /// Where its reports go
    #[arg(long)]
    address: String,
    /// mssante (the French secure space) or email (an organisation's own protected mail only)
    #[arg(long, default_value = "mssante")]
    channel: String,
    /// Where a report goes that the address refuses
    #[arg(long)]
    fallback_address: Option<String>,
}

/// A practice's new addresses.
#[derive(Debug, clap::Args)]
pub(crate) struct NewAddress {
    /// The practice's name
    #[arg(long)]
    name: String,
    #[command(flatten)]
    address: Addresses,
    #[command(flatten)]
    place: Where,
}

/// A practice and a patient.
#[derive(Debug, clap::Args)]
pub(crate) struct Follow {
    /// The practice's name
    #[arg(long)]
    name: String,
    /// The patient
    #[arg(long, value_name = "ID")]
    patient: PatientId,
    #[command(flatten)]
    place: Where,
}

/// Where to look.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Where,
}

impl Addresses {
    fn checked(&self) -> Result<Channel> {
        let channel = Channel::parse(&self.channel)
            .ok_or_else(|| usage(format!("--channel {} is neither mssante nor email", self.channel)))?;
        let domains = mssante_domains()?;
        address::check(channel, &self.address, &domains)
            .map_err(|error| usage(format!("--address: {error}")))?;
        if let Some(fallback) = &self.fallback_address {
            address::check(channel, fallback, &domains)
                .map_err(|error| usage(format!("--fallback-address: {error}")))?;
        }
        Ok(channel)
    }
}

/// Runs `vigie practice ...`.
pub(crate) async fn run(action: Action) -> Result<ExitCode> {
    let text = match action {
        Action::Add(new) => add(new).await?,
        Action::Address(new) => {
            let channel = new.address.checked()?;
            let located = new.place.locate().await?;
            let done = set_address(&located.url, &new, channel).await;
            located.release().await?;
            done?
        }
        Action::Follow(who) => followed(who, true).await?,
        Action::Unfollow(who) => followed(who, false).await?,
        Action::List(list) => {
            let located = list.place.locate().await?;
            let done = listed(&located.url).await;
            located.release().await?;
            done?
        }
    };
    answer(&text)?;
    Ok(ExitCode::SUCCESS)
}

async fn add(new: New) -> Result<String> {
    let channel = new.address.checked()?;
    if !["fr", "en"].contains(&new.language.as_str()) {
        return Err(usage(format!("--language {} is neither fr nor en", new.language)));
    }
    let located = new.place.locate().await?;
    let added = insert(&located.url, &new, channel).await;
    located.release().await?;
    let id = added?;
    Ok(if new.json { serde_json::json!({ "id": id }).to_string() } else { format!("practice  {id}") })
}

async fn insert(url: &str, new: &New, channel: Channel) -> Result<PracticeId> {
    let clock = Clock::system();
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    let practice = Practice {
        id: PracticeId(ids::new_v7(&clock)),
        territory: territory(&mut tx, &new.territory, ids::new_v7(&clock)).await?,
        name: new.name.clone(),
        address: new.address.address.clone(),
        channel,
        locale: new.language.clone(),
        fallback_address: new.address.fallback_address.clone(),
    };
    practices::add(&mut tx, &practice, clock.now()).await.map_err(|error| {
        if error.is_constraint("practice_territory_id_name_key") {
            usage(format!("the name {} is taken in this territory", new.name))
        } else {
            anyhow::Error::from(error).context("adding")
        }
    })?;
    tx.commit().await?;
    database.close().await;
    Ok(practice.id)
}

async fn set_address(url: &str, new: &NewAddress, channel: Channel) -> Result<String> {
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    let practice = named(&mut tx, &new.name).await?;
    let (address, fallback) = (&new.address.address, new.address.fallback_address.as_deref());
    practices::set_address(&mut tx, practice.id, address, channel, fallback).await?;
    tx.commit().await?;
    database.close().await;
    Ok(format!("{}: {address} from now on; what is on its way already goes where it was addressed", new.name))
}

async fn named(tx: &mut vigie_store::Tx, name: &str) -> Result<Practice> {
    practices::find_by_name(tx, name).await?.ok_or_else(|| {
        usage(format!("--name {name}: there is no such practice; vigie practice list names all"))
    })
}

async fn followed(who: Follow, begins: bool) -> Result<String> {
    let located = who.place.locate().await?;
    let done = follow(&located.url, &who, begins).await;
    located.release().await?;
    done
}

async fn follow(url: &str, who: &Follow, begins: bool) -> Result<String> {
    let now = Clock::system().now();
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    let practice = named(&mut tx, &who.name).await?;
    let done = if begins {
        practices::follow(&mut tx, practice.id, who.patient, now).await?
    } else {
        practices::unfollow(&mut tx, practice.id, who.patient, now).await?
    };
    tx.commit().await?;
    database.close().await;
    match (begins, done) {
        (true, true) => Ok(format!("{} follows {}", who.name, who.patient)),
        (true, false) => {
            Err(usage(format!("--patient {}: no such patient in the practice's territory", who.patient)))
        }
        (false, true) => Ok(format!("{} no longer follows {}", who.name, who.patient)),
        (false, false) => Err(usage(format!("{} does not follow {}", who.name, who.patient))),
    }
}

async fn listed(url: &str) -> Result<String> {
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    let all = practices::list(&mut tx).await?;
    tx.commit().await?;
    database.close().await;
    let lines: Vec<String> = all
        .iter()
        .map(|practice| {
            format!("{}  {}  {} {}", practice.id, practice.name, practice.channel.as_str(), practice.address)
        })
        .collect();
    Ok(lines.join("\n"))
}
