//! A past on a real database: the same in every run, and whatever the day and hour at which it ends, a worklist that a
//! nurse could work on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use vigie_device_sim::Address;
use vigie_pgcluster::{Cluster, ClusterConfig};
use vigie_store::alert_work::{self, Alert, Filter};
use vigie_store::patients::{self, ReadingQuery};
use vigie_vitals::AlertState;

use super::*;
use crate::commands::demo::people;

const SEED: u64 = 1;

async fn cluster() -> (tempfile::TempDir, Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(ClusterConfig::for_tests(folder.path().join("postgresql"))).await.unwrap();
    (folder, cluster)
}

/// What is on record afterwards, without ids.
struct Record {
    /// Readings by patient, vital sign and local day.
    readings: BTreeMap<(u32, String, String), usize>,
    alerts: Vec<(u32, Alert)>,
}

async fn lived(cluster: &Cluster, name: &str, until: Timestamp, days: u32, count: u32) -> Record {
    vigie_store::create_database(&cluster.url("postgres"), name).await.unwrap();
    let url = cluster.url(name);
    vigie_store::migrate(&url).await.unwrap();
    let past = Past::new(until, days, count).unwrap();
    let clock = Clock::set_to(until);
    let (manifest, retired) = people::create_since(&url, count, SEED, &clock, Some(&past)).await.unwrap();
    let nowhere = Address { host: String::new(), port: 0 };
    let simulation = SimConfig::new(nowhere, SEED, manifest.sim_patients().unwrap(), Arc::new(move || until));
    let cast = Cast {
        manifest: &manifest,
        retired: &retired,
        teams: people::teams(&manifest).unwrap(),
        team_of: &|index| people::team_of(index, count),
    };
    make(&url, &past, &cast, &simulation).await.unwrap();
    record(&url, &past, &cast).await
}

async fn record(url: &str, past: &Past, cast: &Cast<'_>) -> Record {
    let database = Database::connect(url, Role::Dashboard, 1).await.unwrap();
    let mut record = Record { readings: BTreeMap::new(), alerts: Vec::new() };
    for (index, patient) in (0..).zip(&cast.manifest.patients) {
        let nurse = cast.teams[(cast.team_of)(index)].nurse.id;
        let mut tx = database.begin_as(nurse).await.unwrap();
        let id = patient.id.parse().unwrap();
        let query = ReadingQuery {
            patient: id,
            vital: None,
            from: past.from,
            to: past.until,
            as_of: past.until,
            after: None,
            most: 100_000,
        };
        for stored in patients::readings(&mut tx, &query).await.unwrap() {
            let day = past.date_of(stored.reading.measured_at).to_string();
            let vital = stored.reading.vital.code().to_owned();
            *record.readings.entry((index, vital, day)).or_default() += 1;
        }
        let filter = Filter { patient: Some(id), ..Filter::default() };
        let alerts = alert_work::list(&mut tx, filter, 10_000).await.unwrap();
        record.alerts.extend(alerts.into_iter().map(|alert| (index, alert)));
        tx.commit().await.unwrap();
    }
    database.close().await;
    record
}

impl Record {
    /// Everything about the alerts that does not depend on ids.
    fn work(&self) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
        let mut work: Vec<_> = self
            .alerts
            .iter()
            .map(|(index, a)| {
                let done = (a.acknowledged.clone(), a.resolved.clone(), a.outcome.clone());
                (*index, a.rule.to_string(), a.opened_at, a.happened_at, a.known_at, a.state.as_str(), done)
            })
            .collect();
        work.sort_by(|a, b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
        work
    }

    fn unresolved(&self) -> usize {
        self.alerts.iter().filter(|(_, alert)| alert.state != AlertState::Resolved).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_lives_through_the_same_past() {
    let (_folder, mut cluster) = cluster().await;
    let until = "2026-11-24T10:20:00Z".parse().unwrap();
    let first = lived(&cluster, "first", until, 12, 12).await;
    let second = lived(&cluster, "second", until, 12, 12).await;
    assert_eq!(first.readings, second.readings);
    assert_eq!(first.work(), second.work());
    assert!(first.readings.len() > 150 && first.alerts.len() > 5, "{}", first.alerts.len());
    // Half an hour later no day but the last has changed.
    let later = "2026-11-24T10:50:00Z".parse().unwrap();
    let mut third = lived(&cluster, "third", later, 12, 12).await.readings;
    let mut before = first.readings;
    for readings in [&mut third, &mut before] {
        readings.retain(|(.., day), _| day.as_str() < "2026-11-21");
    }
    assert_eq!(third, before);
    cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_it_is_made_nurses_have_some_alerts_to_work_on_and_not_too_many() {
    let (_folder, mut cluster) = cluster().await;
    for (name, until) in [
        ("monday_night", "2026-11-23T02:00:00Z"),
        ("thursday_morning", "2026-11-26T08:00:00Z"),
        ("friday_evening", "2026-11-27T17:00:00Z"),
    ] {
        let until: Timestamp = until.parse().unwrap();
        let record = lived(&cluster, name, until, 35, 24).await;
        let unresolved = record.unresolved();
        println!("{name}: {unresolved} of {} alerts are not resolved", record.alerts.len());
        assert!((5..=20).contains(&unresolved), "{name}: {unresolved}");
        for (index, alert) in &record.alerts {
            assert!(alert.opened_at <= until && alert.known_at <= alert.opened_at, "{index}: {alert:?}");
            let acts = [&alert.acknowledged.as_ref().map(|a| a.0), &alert.resolved.as_ref().map(|r| r.0)];
            for at in acts.into_iter().flatten() {
                assert!(alert.opened_at <= *at && *at <= until, "{index}: {alert:?}");
            }
        }
    }
    cluster.stop().await.unwrap();
}
