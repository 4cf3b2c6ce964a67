//! Makes what is due: claim, load, build, set, store and hand to delivery, in one transaction.
//!
//! A process that dies rolls back: its claims are free again and nothing is half there. The keys of the tables let each
//! patient, week and version exist once, whoever makes it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use vigie_service::{Clock, chain, ids};
use vigie_store::reports::documents::{self, NewPracticeReport, NewReport};
use vigie_store::reports::jobs::{self, Job, JobKind};
use vigie_store::reports::record::{WeekRecord, load};
use vigie_store::reports::{PracticeId, PracticeReportId, ReportId, What, deliveries, practices};
use vigie_store::{Database, Tx};
use vigie_typeset::Typesetter;
use vigie_vitals::PatientId;

use crate::content::practice::{self, PatientLine};
use crate::content::{CorrectionOf, Options, Week, wanted_between};
use crate::edition::{Edition, SOFTWARE, edition, practice_edition, read_back};

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// Reports made, summaries of practices included.
    pub made: usize,
    /// Jobs that failed and are tried again later, or were given up.
    pub failed: usize,
}

/// What makes reports.
#[derive(Debug, Clone)]
pub struct Maker {
    /// A pool of `Role::Reports`.
    pub database: Database,
    /// The time.
    pub clock: Clock,
    /// Sets documents.
    pub typesetter: Arc<Typesetter>,
    /// Most reports in one transaction.
    pub most: i64,
    /// Domain of the Message-ID of mails.
    pub message_domain: String,
}

/// Pauses after failed attempts; when they are used up the job is given up and shown as failed.
const PAUSES: [SignedDuration; 6] = [
    SignedDuration::from_mins(1),
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(8),
    SignedDuration::from_hours(24),
];

impl Maker {
    /// Makes some of what is due. An error means that nothing of it was stored.
    ///
    /// # Errors
    /// The database's. A report that cannot be made is no error of the round: it is noted on its job.
    pub async fn make_once(&self) -> vigie_store::Result<Round> {
        let mut tx = self.database.begin().await?;
        let claimed = jobs::claim(&mut tx, self.clock.now(), self.most).await?;
        if claimed.is_empty() {
            return Ok(Round::default());
        }
        let mut round = Round::default();
        let mut made = Vec::new();
        let mut finished = Vec::new();
        let reports = self.reports(&mut tx, &claimed).await?;
        for (job, outcome) in reports {
            match outcome {
                Ok(report) => {
                    finished.push(job.id);
                    made.push(report);
                }
                Err(reason) => {
                    round.failed += 1;
                    self.failed(&mut tx, &job, &reason).await?;
                }
            }
        }
        documents::insert(&mut tx, &made).await?;
        let mut told: Vec<What> = made.iter().map(|report| What::Report(report.id)).collect();
        for job in &claimed {
            let JobKind::Practice(id) = job.kind else { continue };
            match self.summary(&mut tx, job, id).await? {
                Ok(summary) => {
                    finished.push(job.id);
                    told.extend(summary.map(What::Practice));
                }
                Err(reason) => {
                    round.failed += 1;
                    self.failed(&mut tx, job, &reason).await?;
                }
            }
        }
        let now = self.clock.now();
        deliveries::create_for(&mut tx, &told, now, &self.message_domain).await?;
        jobs::done(&mut tx, &finished, now).await?;
        tx.commit().await.map_err(vigie_store::Error::from)?;
        round.made = told.len();
        Ok(round)
    }

    /// The reports on patients among these jobs, or why there is none.
    async fn reports(
        &self,
        tx: &mut Tx,
        claimed: &[Job],
    ) -> vigie_store::Result<Vec<(Job, Result<NewReport, String>)>> {
        let on_patients: Vec<(Job, PatientId)> = claimed
            .iter()
            .filter_map(|job| match job.kind {
                JobKind::Patient(patient) => Some((job.clone(), patient)),
                JobKind::Practice(_) => None,
            })
            .collect();
        let wanted: Vec<_> = on_patients
            .iter()
            .map(|(job, patient)| wanted_between(*patient, job.from, job.to, job.known_at))
            .collect();
        let records = load(tx, &wanted).await?;
        let mut records: HashMap<PatientId, WeekRecord> =
            records.into_iter().map(|record| (record.patient.id, record)).collect();
        let ids: Vec<PatientId> = on_patients.iter().map(|(_, patient)| *patient).collect();
        let languages = documents::wanted_languages(tx, &ids).await?;
        let mut outcomes = Vec::with_capacity(on_patients.len());
        for (job, patient) in on_patients {
            let outcome = match (records.remove(&patient), self.options(tx, &job, patient).await?) {
                (None, _) => Err("there is no such patient".to_owned()),
                (Some(_), Err(reason)) => Err(reason),
                (Some(record), Ok(options)) => {
                    let languages = languages.get(&patient).cloned().unwrap_or_default();
                    self.set(record, options, languages).await.map(|edition| self.new_report(&job, edition))
                }
            };
            outcomes.push((job, outcome));
        }
        Ok(outcomes)
    }

    async fn options(
        &self,
        tx: &mut Tx,
        job: &Job,
        patient: PatientId,
    ) -> vigie_store::Result<Result<Options, String>> {
        let Ok(week) = job.week.parse::<Week>() else { return Ok(Err(format!("{:?} is no week", job.week))) };
        let mut options =
            Options { week, version: job.version, software: SOFTWARE.to_owned(), correction: None };
        if job.version > 1
            && let Some(stored) = documents::find(tx, patient, &job.week, None).await?
        {
            let replaces = match read_back(&stored) {
                Ok(replaces) => replaces,
                Err(error) => {
                    return Ok(Err(format!("version {} cannot be read back: {error}", stored.version)));
                }
            };
            options.correction = Some(CorrectionOf {
                replaces: Box::new(replaces),
                author: job.requester.clone().unwrap_or_default(),
                reason: job.reason.clone().unwrap_or_default(),
            });
        }
        Ok(Ok(options))
    }

    /// On a blocking thread: a panic or a refusal costs this report only.
    async fn set(
        &self,
        record: WeekRecord,
        options: Options,
        languages: BTreeSet<String>,
    ) -> Result<Edition, String> {
        let typesetter = Arc::clone(&self.typesetter);
        let task = tokio::task::spawn_blocking(move || edition(&record, &options, &languages, &typesetter));
        match task.await {
            Ok(Ok(edition)) => Ok(edition),
            Ok(Err(error)) => Err(chain(&error).to_string()),
            Err(error) => Err(format!("a defect: {error}")),
        }
    }

    fn new_report(&self, job: &Job, edition: Edition) -> NewReport {
        let Edition { report, content, documents } = edition;
        NewReport {
            id: ReportId(ids::new_v7(&self.clock)),
            patient: report.patient.id,
            week: job.week.clone(),
            version: job.version,
            from: job.from,
            to: job.to,
            known_at: job.known_at,
            software: report.software.clone(),
            rules_version: report.rules_version.clone(),
            content_sha256: Sha256::digest(&content).into(),
            content,
            headline: serde_json::to_value(PatientLine::of(&report)).unwrap_or_default(),
            correction_of: report.correction.as_ref().map(|correction| correction.of_version),
            created_at: self.clock.now(),
            documents,
        }
    }

    /// A practice's summary; `None` when nobody is in it.
    async fn summary(
        &self,
        tx: &mut Tx,
        job: &Job,
        id: PracticeId,
    ) -> vigie_store::Result<Result<Option<PracticeReportId>, String>> {
        let (Some(practice), Ok(week)) = (practices::get(tx, id).await?, job.week.parse::<Week>()) else {
            return Ok(Err("there is no such practice or week".to_owned()));
        };
        let headlines = documents::headlines(tx, id, &job.week, job.known_at).await?;
        let lines: Result<Vec<PatientLine>, _> = headlines
            .iter()
            .filter_map(|headline| headline.report.as_ref())
            .map(|(_, _, line)| serde_json::from_value(line.clone()))
            .collect();
        let lines = match lines {
            Ok(lines) if lines.is_empty() => return Ok(Ok(None)),
            Ok(lines) => lines,
            Err(error) => return Ok(Err(format!("a headline cannot be read back: {error}"))),
        };
        let patients = lines.iter().map(|line| line.patient.id).collect();
        let summary = practice::build(&practice.name, week, SOFTWARE, lines);
        let (typesetter, language) = (Arc::clone(&self.typesetter), practice.locale.clone());
        let set = tokio::task::spawn_blocking(move || practice_edition(&summary, id, &language, &typesetter));
        let (content, documents) = match set.await {
            Ok(Ok(set)) => set,
            Ok(Err(error)) => return Ok(Err(chain(&error).to_string())),
            Err(error) => return Ok(Err(format!("a defect: {error}"))),
        };
        let new = NewPracticeReport {
            id: PracticeReportId(ids::new_v7(&self.clock)),
            practice: id,
            week: job.week.clone(),
            known_at: job.known_at,
            software: SOFTWARE.to_owned(),
            content_sha256: Sha256::digest(&content).into(),
            content,
            patients,
            created_at: self.clock.now(),
            documents,
        };
        documents::insert_practice(tx, &new).await?;
        Ok(Ok(Some(new.id)))
    }

    async fn failed(&self, tx: &mut Tx, job: &Job, reason: &str) -> vigie_store::Result<()> {
        let now = self.clock.now();
        let retry_at = pause(job.attempts).and_then(|pause| now.checked_add(pause).ok());
        // The reason may quote what the report says: it is for the database, not for the log.
        match retry_at {
            Some(at) => {
                tracing::warn!(job = job.id, week = job.week, again = %at, "a report could not be made")
            }
            None => tracing::error!(
                job = job.id,
                week = job.week,
                "a report was given up; see report_job.last_error"
            ),
        }
        jobs::failed(tx, job.id, &reason.chars().take(REASON_MAX).collect::<String>(), retry_at).await?;
        Ok(())
    }
}

/// Enough to find the fault.
const REASON_MAX: usize = 2_000;

fn pause(attempts: i32) -> Option<SignedDuration> {
    PAUSES.get(usize::try_from(attempts).unwrap_or(0)).copied()
}
