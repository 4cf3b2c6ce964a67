//! `vigie report`: weekly reports as files, and the activity extract.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use vigie_reports::activity;
use vigie_reports::content::{Options, Week, wanted};
use vigie_reports::edition::{Edition, SOFTWARE, edition, options_again};
use vigie_reports::maker::Maker;
use vigie_reports::schedule::Schedule;
use vigie_service::Clock;
use vigie_store::reports::activity::Whose;
use vigie_store::reports::documents::{self, NewDocument, StoredReport};
use vigie_store::reports::record::load;
use vigie_store::reports::{jobs, week_pages};
use vigie_store::{Database, Role};
use vigie_typeset::Typesetter;
use vigie_vitals::PatientId;

use super::answer;
use crate::config::{NO_DOMAIN, Reports, message_domain, reports_settings};
use crate::locate::Where;
use crate::usage::usage;

/// What to report.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Write the reports of a week to files: those that were made, and those that are due and were not are made first
    Weekly(Weekly),
    /// Write the activity and accounting extract of a month (docs/activity-extract.md)
    Activity(Month),
}

/// A week's reports.
#[derive(Debug, clap::Args)]
pub(crate) struct Weekly {
    /// ISO week, as 2026-W47
    #[arg(long)]
    week: String,
    /// This patient only
    #[arg(long, value_name = "ID")]
    patient: Option<PatientId>,
    /// Folder to write to; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// fr or en; otherwise the languages of the practices that follow the patient, or the patient's own
    #[arg(long)]
    language: Option<String>,
    #[command(flatten)]
    place: Where,
}

/// A month's extract.
#[derive(Debug, clap::Args)]
pub(crate) struct Month {
    /// Month, as 2026-11
    #[arg(long)]
    month: String,
    /// File to write to; standard output when absent
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

/// Runs `vigie report ...`.
pub(crate) async fn run(action: Action) -> Result<ExitCode> {
    match action {
        Action::Weekly(arguments) => weekly(arguments).await,
        Action::Activity(arguments) => month(arguments).await,
    }
}

async fn weekly(arguments: Weekly) -> Result<ExitCode> {
    let week: Week = arguments.week.parse().map_err(|error| usage(format!("--week: {error}")))?;
    if let Some(language) = &arguments.language
        && !["fr", "en"].contains(&language.as_str())
    {
        return Err(usage(format!("--language {language} is neither fr nor en")));
    }
    let settings = reports_settings()?;
    std::fs::create_dir_all(&arguments.out)
        .map_err(|error| usage(format!("--out {} cannot be made: {error}", arguments.out.display())))?;
    let located = arguments.place.locate().await?;
    let written = write_week(&located.url, &arguments, week, &settings).await;
    located.release().await?;
    let written = written?;
    answer(&format!("{written} reports of {week} in {}", arguments.out.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// What all of one run share.
struct Run<'a> {
    database: &'a Database,
    typesetter: &'a Typesetter,
    schedule: Schedule,
    week: Week,
    now: Timestamp,
    out: &'a Path,
    language: Option<&'a str>,
    message_domain: String,
}

async fn write_week(url: &str, arguments: &Weekly, week: Week, settings: &Reports) -> Result<usize> {
    let clock = Clock::system();
    let database = Database::connect(url, Role::Reports, 2).await.context("connecting")?;
    let typesetter = Arc::new(Typesetter::new());
    let run = Run {
        database: &database,
        typesetter: &typesetter,
        schedule: settings.schedule,
        week,
        now: clock.now(),
        out: &arguments.out,
        language: arguments.language.as_deref(),
        message_domain: settings.smtp.as_ref().map_or_else(|| NO_DOMAIN.to_owned(), message_domain),
    };
    let patients = match arguments.patient {
        Some(patient) => vec![(patient, run.zone_of(patient).await?)],
        None => {
            run.make_due(&clock, Arc::clone(&typesetter)).await?;
            run.followed().await?
        }
    };
    let mut written = 0;
    for (patient, zone) in &patients {
        written += usize::from(run.write(*patient, zone).await?);
    }
    database.close().await;
    if written == 0 {
        bail!("nobody was followed in {week}");
    }
    Ok(written)
}

impl Run<'_> {
    async fn zone_of(&self, patient: PatientId) -> Result<TimeZone> {
        let mut tx = self.database.begin().await?;
        let name = week_pages::zone_of(&mut tx, patient).await?;
        tx.commit().await?;
        let name = name.ok_or_else(|| usage(format!("--patient {patient}: there is no such patient")))?;
        TimeZone::get(&name).with_context(|| format!("time zone {name}"))
    }

    /// Everybody who was followed at some time in the week.
    async fn followed(&self) -> Result<Vec<(PatientId, TimeZone)>> {
        let mut tx = self.database.begin().await?;
        let mut all = Vec::new();
        for name in jobs::zones(&mut tx).await? {
            let zone = TimeZone::get(&name).with_context(|| format!("time zone {name}"))?;
            let (from, to) = (self.week.start(&zone), self.week.end(&zone));
            let found = week_pages::followed(&mut tx, &name, from, to).await?;
            all.extend(found.into_iter().map(|patient| (patient, zone.clone())));
        }
        tx.commit().await?;
        Ok(all)
    }

    /// Where the week is due: puts its jobs on the list and makes what is there, as the reports role does.
    async fn make_due(&self, clock: &Clock, typesetter: Arc<Typesetter>) -> Result<()> {
        let mut tx = self.database.begin().await?;
        for name in jobs::zones(&mut tx).await? {
            let zone = TimeZone::get(&name).with_context(|| format!("time zone {name}"))?;
            let due = self.schedule.due(self.week, &zone);
            if due <= self.now {
                let (from, to) = (self.week.start(&zone), self.week.end(&zone));
                let week = self.week.to_string();
                jobs::schedule(&mut tx, &name, &week, from, to, due, self.now).await?;
            }
        }
        tx.commit().await?;
        let maker = Maker {
            database: self.database.clone(),
            clock: clock.clone(),
            typesetter,
            most: 8,
            message_domain: self.message_domain.clone(),
        };
        while maker.make_once().await?.made > 0 {}
        Ok(())
    }

    /// One patient's report; false when the week lies before the patient was followed or after now.
    async fn write(&self, patient: PatientId, zone: &TimeZone) -> Result<bool> {
        let mut tx = self.database.begin().await?;
        let stored = documents::find(&mut tx, patient, &self.week.to_string(), None).await?;
        let mut languages = match self.language {
            Some(language) => BTreeSet::from([language.to_owned()]),
            None => {
                documents::wanted_languages(&mut tx, &[patient]).await?.remove(&patient).unwrap_or_default()
            }
        };
        let known_at = match &stored {
            Some(stored) => stored.known_at,
            None => self.schedule.known_at(self.week, zone, self.now),
        };
        if self.week.start(zone) > self.now {
            return Ok(false);
        }
        let mut kept: Vec<NewDocument> = Vec::new();
        if let Some(stored) = &stored {
            for line in stored.documents.iter().filter(|line| languages.contains(&line.language)) {
                let document = documents::document(&mut tx, stored.id, &line.language, line.format).await?;
                kept.extend(document.map(|document| NewDocument {
                    language: line.language.clone(),
                    format: line.format,
                    sha256: document.sha256,
                    bytes: document.bytes,
                }));
            }
        }
        languages.retain(|language| !kept.iter().any(|document| document.language == *language));
        let options = match &stored {
            Some(stored) => options_again(&mut tx, stored).await?,
            None => Options { week: self.week, version: 1, software: SOFTWARE.to_owned(), correction: None },
        };
        let record = load(&mut tx, &[wanted(patient, self.week, zone, known_at)]).await?.pop();
        tx.commit().await?;
        let record = record.with_context(|| format!("patient {patient}"))?;
        if record.plans.is_empty() {
            return Ok(false);
        }
        let identifier = record.patient.identifier.clone();
        let mut content = stored.as_ref().map(|stored: &StoredReport| stored.content.clone());
        if content.is_none() || !languages.is_empty() {
            let Edition { content: built, documents, .. } =
                edition(&record, &options, &languages, self.typesetter)?;
            content.get_or_insert(built);
            kept.extend(documents);
        }
        self.files(&identifier, &content.unwrap_or_default(), &kept)?;
        Ok(true)
    }

    fn files(&self, identifier: &str, content: &str, documents: &[NewDocument]) -> Result<()> {
        // The organisation's own number, which need not be a file name.
        let plain: String =
            identifier.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let put = |ending: String, bytes: &[u8]| {
            let path = self.out.join(format!("{}-{plain}{ending}", self.week));
            std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
        };
        put(".json".into(), content.as_bytes())?;
        for document in documents {
            put(format!("-{}.{}", document.language, document.format.as_str()), &document.bytes)?;
        }
        Ok(())
    }
}

async fn month(arguments: Month) -> Result<ExitCode> {
    let month = activity::parse_month(&arguments.month)
        .ok_or_else(|| usage(format!("--month {} is not a month such as 2026-11", arguments.month)))?;
    let located = arguments.place.locate().await?;
    let rows = async {
        let database = Database::connect(&located.url, Role::Admin, 1).await.context("connecting")?;
        let mut tx = database.begin().await?;
        let rows = activity::rows(&mut tx, month, Whose::Everybody, Clock::system().now()).await?;
        tx.commit().await?;
        database.close().await;
        anyhow::Ok(rows)
    }
    .await;
    located.release().await?;
    let text = activity::csv(&rows?);
    match &arguments.out {
        Some(path) => std::fs::write(path, text)
            .map_err(|error| usage(format!("--out {} cannot be written: {error}", path.display())))?,
        None => answer(text.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}
