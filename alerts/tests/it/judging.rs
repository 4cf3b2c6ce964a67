//! From a stored reading to an alert on record.

use tokio::task::JoinSet;
use vigie_store::setup::{NewRuleVersion, add_rule_version};
use vigie_store::{Database, Role};
use vigie_vitals::plans::{CarePlan, default_rules};
use vigie_vitals::{RuleId, RuleSpec, Unit, Vital};

use crate::{Ward, at};

#[tokio::test]
async fn a_low_glucose_opens_one_alert_with_both_times_and_later_ones_are_added_to_it() {
    let ward = Ward::new().await;
    ward.now("2026-11-22T07:00:05Z").await;
    ward.glucose(1, "0.52", "2026-11-22T07:00:00Z").await;
    ward.judge().await;
    assert_eq!(ward.alerts("glucose_low"), ["glucose_low|open|active|high"]);
    assert_eq!(
        ward.database.query("SELECT happened_at AT TIME ZONE 'UTC', known_at AT TIME ZONE 'UTC' FROM alert WHERE rule = 'glucose_low'"),
        ["2026-11-22 07:00:00|2026-11-22 07:00:05"]
    );
    ward.now("2026-11-22T07:10:00Z").await;
    ward.glucose(2, "0.60", "2026-11-22T07:09:00Z").await;
    ward.judge().await;
    assert_eq!(ward.alerts("glucose_low"), ["glucose_low|open|active|high"]);
    assert_eq!(ward.database.value("SELECT count(*) FROM alert_evidence WHERE rule = 'glucose_low'"), "2");
    ward.glucose(3, "1.10", "2026-11-22T07:30:00Z").await;
    ward.now("2026-11-22T07:30:01Z").await;
    ward.judge().await;
    // The condition ends, the work does not.
    assert_eq!(ward.alerts("glucose_low"), ["glucose_low|open|ended|high"]);
}

#[tokio::test]
async fn a_late_reading_is_judged_by_the_threshold_of_its_time_and_an_old_normal_one_clears_nothing() {
    let ward = Ward::new().await;
    let (_, RuleSpec::Limit(mut limit)) = default_rules(CarePlan::Diabetes)
        .into_iter()
        .find(|(rule, _)| rule.as_str() == "glucose_low")
        .unwrap()
    else {
        panic!("glucose_low is a limit");
    };
    // From the 21st on only what is below 0.40 g/L counts.
    for level in &mut limit.levels {
        for (unit, threshold) in &mut level.threshold {
            let lower = match unit.ucum() {
                "g/L" => "0.40",
                "mg/dL" => "40",
                "mmol/L" => "2.2",
                other => panic!("glucose is not measured in {other}"),
            };
            *threshold = lower.parse().unwrap();
        }
    }
    let admin = Database::connect(ward.database.url(), Role::Admin, 1).await.unwrap();
    let mut tx = admin.begin().await.unwrap();
    let version = NewRuleVersion {
        rule: RuleId::from("glucose_low"),
        spec: RuleSpec::Limit(limit),
        valid_from: at("2026-11-21T00:00:00Z"),
        recorded_at: at("2026-11-21T00:00:00Z"),
        author_id: None,
        author: "Dr Test".into(),
        reason: "test".into(),
    };
    assert_eq!(add_rule_version(&mut tx, ward.people.patients[0], &version, false).await.unwrap(), 2);
    tx.commit().await.unwrap();

    ward.now("2026-11-22T08:05:00Z").await;
    ward.glucose(1, "0.52", "2026-11-22T08:00:00Z").await; // new threshold: no breach
    ward.judge().await;
    assert!(ward.alerts("glucose_low").is_empty());
    ward.glucose(2, "0.52", "2026-11-20T02:10:00Z").await; // old threshold: a breach, and over
    ward.judge().await;
    assert_eq!(ward.alerts("glucose_low"), ["glucose_low|open|ended|high"]);
    assert_eq!(
        ward.database.query("SELECT rule_version, happened_at AT TIME ZONE 'UTC', known_at AT TIME ZONE 'UTC' FROM alert WHERE rule = 'glucose_low'"),
        ["1|2026-11-20 02:10:00|2026-11-22 08:05:00"]
    );
    ward.now("2026-11-22T09:00:00Z").await;
    ward.glucose(3, "0.30", "2026-11-22T08:59:00Z").await;
    ward.judge().await;
    assert_eq!(ward.alerts("glucose_low"), ["glucose_low|open|active|high"]);
    ward.glucose(4, "1.00", "2026-11-19T08:00:00Z").await;
    ward.judge().await;
    assert_eq!(ward.alerts("glucose_low"), ["glucose_low|open|active|high"]);
}

#[tokio::test]
async fn silence_becomes_an_alert_when_its_time_has_come_and_closes_by_itself() {
    let ward = Ward::new().await;
    ward.now("2026-11-20T07:00:00Z").await;
    ward.measure(1, Vital::Weight, Unit::Kilogram, "80.0", "2026-11-20T06:59:00Z").await;
    ward.judge().await;
    let patient = ward.people.patients[0];
    let silent = |ward: &Ward| {
        ward.database.value(&format!(
            "SELECT count(*) FROM alert WHERE patient_id = '{patient}' AND vital = 'weight' AND priority = 'technical'
             AND state <> 'resolved'"
        ))
    };
    assert_eq!(silent(&ward), "0");
    ward.now("2026-11-23T07:00:00Z").await;
    ward.judge().await;
    assert_eq!(silent(&ward), "1");
    ward.judge().await;
    assert_eq!(silent(&ward), "1");
    ward.measure(2, Vital::Weight, Unit::Kilogram, "80.1", "2026-11-23T06:59:00Z").await;
    ward.judge().await;
    assert_eq!(silent(&ward), "0");
    assert_eq!(ward.database.value(&format!("SELECT outcome FROM alert WHERE patient_id = '{patient}' AND vital = 'weight' AND state = 'resolved'")), "ended_by_data");
}

#[tokio::test]
async fn many_workers_over_the_same_patient_open_one_alert() {
    let ward = Ward::new().await;
    ward.now("2026-11-22T07:00:05Z").await;
    let mut workers = JoinSet::new();
    for n in 1..=40 {
        ward.glucose(n, "0.50", &format!("2026-11-22T06:{n:02}:00Z")).await;
        let (alerts, clock) = (ward.alerts.clone(), ward.clock.clone());
        workers.spawn(async move { vigie_alerts::judge_once(&alerts, &clock, 10, &[]).await.unwrap() });
    }
    while let Some(round) = workers.join_next().await {
        round.unwrap();
    }
    ward.judge().await;
    assert_eq!(ward.alerts("glucose_low"), ["glucose_low|open|active|high"]);
    assert_eq!(ward.database.value("SELECT count(*) FROM alert_evidence WHERE rule = 'glucose_low'"), "40");
    assert_eq!(ward.database.value("SELECT count(*) FROM judgement_queue"), "0");
    // Events are numbered without gap, in commit order.
    assert_eq!(
        ward.database.value(
            "SELECT max(id) = count(*) AND max(id) = (SELECT last_id FROM stream_position) FROM stream_event"
        ),
        "t"
    );
}

#[tokio::test]
async fn what_a_person_resolved_does_not_come_back_but_a_new_breach_does() {
    let ward = Ward::new().await;
    ward.now("2026-11-22T07:00:05Z").await;
    ward.glucose(1, "0.52", "2026-11-22T07:00:00Z").await;
    ward.judge().await;
    ward.database.query("UPDATE alert SET state = 'resolved', resolved_at = now(), outcome = 'true_alert' WHERE rule = 'glucose_low'");
    ward.glucose(2, "1.10", "2026-11-22T06:00:00Z").await; // judged again from before the breach on
    ward.judge().await;
    assert_eq!(ward.alerts("glucose_low"), ["glucose_low|resolved|active|high"]);
    ward.glucose(3, "0.60", "2026-11-22T06:30:00Z").await;
    ward.judge().await;
    assert_eq!(ward.alerts("glucose_low").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_patient_whose_rules_are_broken_does_not_keep_the_others_from_being_judged() {
    vigie_testkit::logs::expect("judging failed");
    vigie_testkit::logs::expect("passed over");
    let ward = Ward::new().await;
    let other = ward.people.patients[1];
    ward.judge().await;
    ward.database.query(&format!(
        "INSERT INTO rule_version (patient_id, rule, version, valid_from, recorded_at, author, reason, spec)
         VALUES ('{other}', 'broken', 1, now(), now(), 'x', 'x', '{{\"kind\": \"nonsense\"}}');
         INSERT INTO judgement_queue (patient_id, since) VALUES ('{other}', now())"
    ));
    ward.now("2026-11-22T07:00:05Z").await;
    ward.glucose(1, "0.52", "2026-11-22T07:00:00Z").await;
    let stop = tokio_util::sync::CancellationToken::new();
    let worker = tokio::spawn(vigie_alerts::run(
        ward.alerts.clone(),
        ward.clock.clone(),
        vigie_alerts::Settings::default(),
        std::sync::Arc::default(),
        stop.clone(),
    ));
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while ward.alerts("glucose_low").is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the healthy patient was not judged");
        tokio::task::yield_now().await;
    }
    stop.cancel();
    worker.await.unwrap();
    assert_eq!(
        ward.database.value(&format!("SELECT count(*) FROM judgement_queue WHERE patient_id = '{other}'")),
        "1"
    );
}

#[tokio::test]
async fn a_late_reference_that_makes_a_known_gain_graver_raises_the_alert() {
    let ward = Ward::new().await;
    ward.now("2026-11-22T07:00:05Z").await;
    ward.measure(1, Vital::Weight, Unit::Kilogram, "81.0", "2026-11-21T07:00:00Z").await;
    ward.measure(2, Vital::Weight, Unit::Kilogram, "82.0", "2026-11-22T07:00:00Z").await;
    ward.judge().await;
    assert_eq!(ward.alerts("weight_gain"), ["weight_gain|open|active|low"]);
    ward.measure(3, Vital::Weight, Unit::Kilogram, "80.0", "2026-11-20T07:00:00Z").await;
    ward.judge().await;
    assert_eq!(ward.alerts("weight_gain"), ["weight_gain|open|active|medium"]);
}

#[tokio::test]
async fn a_reading_is_judged_although_the_gateways_clock_runs_ahead_of_ours() {
    let ward = Ward::new().await;
    ward.now("2026-11-22T07:00:05Z").await;
    ward.glucose(1, "0.52", "2026-11-22T07:00:00Z").await;
    // Another machine, or the same one when the reading was committed between "what time is it" and the claim.
    ward.now("2026-11-22T07:00:04Z").await;
    ward.judge().await;
    assert_eq!(
        ward.database.value("SELECT count(*) FROM judgement_queue"),
        "0",
        "nobody would come back to it"
    );
    assert_eq!(ward.alerts("glucose_low"), ["glucose_low|open|active|high"]);
}
