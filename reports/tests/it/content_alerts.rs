//! Alerts in the report: told by their events, as they stood when the report was made.

use rust_decimal::dec;
use serde_json::json;
use vigie_reports::content::{AlertLine, ChartData, Report};
use vigie_store::reports::record::AlertStory;
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{Evidence, Priority, Threshold, Unit, Vital};

use crate::content_support::{Making, alert, at, breach, event, minutes, sentences, value, week};

fn low(n: u128, when: &str, glucose: &str, priority: Priority) -> AlertStory {
    let limit = if priority == Priority::High { dec!(0.54) } else { dec!(0.70) };
    alert(
        n,
        "glucose_low",
        priority,
        breach(Vital::Glucose, when, glucose, Unit::GramPerLitre, limit, priority),
    )
}

fn high(n: u128, when: &str) -> AlertStory {
    let evidence = breach(Vital::Glucose, when, "2.70", Unit::GramPerLitre, dec!(2.50), Priority::Low);
    alert(n, "glucose_high", Priority::Low, evidence)
}

fn acknowledged(mut story: AlertStory, when: &str, who: &str) -> AlertStory {
    story.events.push(event(at(when), "acknowledged", who, json!({})));
    story
}

fn resolved(mut story: AlertStory, when: &str, who: &str, outcome: &str) -> AlertStory {
    story.events.push(event(at(when), "resolved", who, json!({ "outcome": outcome, "comment": "" })));
    story
}

fn silence(n: u128, due: &str) -> AlertStory {
    let evidence = Evidence {
        reading: None,
        vital: Vital::Glucose,
        value: None,
        reference: None,
        happened_at: at(due),
        known_at: at(due) + minutes(1),
        rule_version: 1,
        priority: Priority::Technical,
        threshold: Threshold { value: dec!(24), unit: None, window_hours: Some(24), inclusive: false },
    };
    alert(n, "glucose_silence", Priority::Technical, evidence)
}

fn with(alerts: Vec<AlertStory>) -> (Making, Report) {
    let mut making = week("2026-W47", &[CarePlan::Diabetes]);
    for story in alerts {
        making.alert(story);
    }
    let report = making.report();
    (making, report)
}

#[test]
fn handled_and_unhandled_alerts_are_counted_and_the_most_important_one_is_told() {
    let (_, report) = with(vec![
        high(1, "2026-11-17 12:00"),
        acknowledged(low(2, "2026-11-18 07:10", "0.62", Priority::Medium), "2026-11-18 08:00", "Inf. Durand"),
        resolved(
            acknowledged(
                low(3, "2026-11-19 02:10", "0.48", Priority::High),
                "2026-11-19 08:05",
                "Inf. Durand",
            ),
            "2026-11-19 08:40",
            "Inf. Durand",
            "true_alert_called_patient",
        ),
        resolved(silence(4, "2026-11-21 19:00"), "2026-11-22 07:05", "vigie", "ended_by_data"),
    ]);
    let priorities: Vec<Priority> = report.alerts.iter().map(|alert| alert.priority).collect();
    assert_eq!(priorities, [Priority::High, Priority::Medium, Priority::Low, Priority::Technical]);
    assert!(report.alerts.iter().all(|alert| alert.spec.is_some() && !alert.carried_over));
    assert_eq!(value(&report.metrics, "alerts", "raised") as usize, 4);
    assert_eq!(value(&report.metrics, "alerts", "unresolved") as usize, 2);
    assert_eq!(value(&report.metrics, "alerts", "raised_high") as usize, 1);
    assert_eq!(value(&report.metrics, "alerts", "outcome_true_alert_called_patient") as usize, 1);
    // Opened at 07:15 and 02:15, acknowledged at 08:00 and 08:05: 45 and 350 minutes.
    let minutes = value(&report.metrics, "alerts", "minutes_to_acknowledged");
    assert!((minutes - 197.5).abs() < 1e-9, "{minutes}");
    assert_eq!(
        sentences(&report, "fr")[1],
        "4 alertes, dont 1 de priorité haute, 2 clôturées, 1 prise en charge, 1 sans prise en charge~; la plus \
         importante~: Glycémie 0,48 g/L (limite 0,54), 19/11 à 02:10, clôturée par Inf. Durand (Alerte justifiée : patient \
         appelé).".replace("justifiée :", "justifiée\u{a0}:")
    );
    assert_eq!(
        sentences(&report, "en")[1],
        "4 alerts, 1 of high priority, 2 resolved, 1 acknowledged, 1 not taken yet; the most important: Glucose 0.48 g/L \
         (limit 0.54), 19 Nov at 02:10, resolved by Inf. Durand (True alert: patient called)."
    );
    // The lanes come last.
    let Some(ChartData::Lanes { lanes, .. }) = report.charts.last() else { panic!("no lanes") };
    let lengths: Vec<usize> = lanes.iter().map(|(_, alerts)| alerts.len()).collect();
    assert_eq!(lengths, [1, 2, 1]);
}

#[test]
fn a_single_alert_is_told_with_its_state() {
    let (_, report) = with(vec![low(1, "2026-11-18 07:10", "0.62", Priority::Medium)]);
    assert_eq!(
        sentences(&report, "fr")[1],
        "1 alerte~: Glycémie 0,62 g/L (limite 0,70), 18/11 à 07:10, pas encore prise en charge."
    );
    assert_eq!(
        sentences(&report, "en")[1],
        "1 alert: Glucose 0.62 g/L (limit 0.70), 18 Nov at 07:10, not taken yet."
    );
}

#[test]
fn an_alert_that_became_known_late_is_told_with_both_times() {
    let mut story = low(1, "2026-11-18 07:10", "0.62", Priority::Medium);
    story.evidence[0].known_at = at("2026-11-20 09:00");
    story.opened_at = at("2026-11-20 09:00");
    let (_, report) = with(vec![story]);
    assert_eq!(
        sentences(&report, "fr")[1],
        "1 alerte~: Glycémie 0,62 g/L (limite 0,70), survenu le 18/11 à 07:10, connu le 20/11 à 09:00, pas encore prise en \
         charge."
    );
}

#[test]
fn an_alert_opened_before_the_week_is_carried_over_and_not_raised_again() {
    let (_, report) =
        with(vec![low(1, "2026-11-14 07:10", "0.62", Priority::Medium), high(2, "2026-11-17 12:00")]);
    let carried: Vec<&AlertLine> = report.alerts.iter().filter(|alert| alert.carried_over).collect();
    assert_eq!(carried.len(), 1);
    assert_eq!(value(&report.metrics, "alerts", "raised") as usize, 1);
    assert_eq!(
        sentences(&report, "fr")[1],
        "2 alertes, dont 1 d’avant la semaine, 2 sans prise en charge~; la plus importante~: Glycémie 0,62 g/L (limite \
         0,70), 14/11 à 07:10, pas encore prise en charge."
    );
    assert_eq!(
        sentences(&report, "en")[1],
        "2 alerts, 1 from before the week, 2 not taken yet; the most important: Glucose 0.62 g/L (limit 0.70), 14 Nov at \
         07:10, not taken yet."
    );
}

#[test]
fn an_alert_that_later_data_do_not_support_is_marked_and_never_the_most_important() {
    let mut story = low(1, "2026-11-18 07:10", "0.48", Priority::High);
    story.events.push(event(at("2026-11-18 09:00"), "no_longer_supported", "vigie", json!({})));
    let (_, report) = with(vec![story.clone(), high(2, "2026-11-17 12:00")]);
    assert!(report.alerts[0].unsupported);
    assert_eq!(
        sentences(&report, "fr")[1],
        "2 alertes, dont 1 de priorité haute, 2 sans prise en charge, dont 1 que les mesures ne confirment plus~; la plus \
         importante~: Glycémie 2,70 g/L (limite 2,50), 17/11 à 12:00, pas encore prise en charge."
    );
    story.events.push(event(at("2026-11-18 10:00"), "supported_again", "vigie", json!({})));
    let (_, report) = with(vec![story]);
    assert!(!report.alerts[0].unsupported);
}

#[test]
fn what_happened_after_the_report_was_made_is_not_in_it() {
    let story = resolved(
        low(1, "2026-11-18 07:10", "0.62", Priority::Medium),
        "2026-11-23 06:01",
        "Inf. Durand",
        "known",
    );
    let (mut making, report) = with(vec![story]);
    assert!(report.alerts[0].resolved.is_none());
    making.record.wanted.known_at = at("2026-11-23 06:01");
    let alert = making.report().alerts[0].clone();
    assert_eq!((alert.resolved.unwrap().by, alert.outcome.unwrap()), ("Inf. Durand".into(), "known".into()));
}

#[test]
fn an_alert_that_became_graver_is_open_again() {
    let mut story =
        acknowledged(low(1, "2026-11-18 07:10", "0.62", Priority::Medium), "2026-11-18 08:00", "Inf. Durand");
    story.evidence.push(breach(
        Vital::Glucose,
        "2026-11-18 09:00",
        "0.50",
        Unit::GramPerLitre,
        dec!(0.54),
        Priority::High,
    ));
    story.priority = Priority::High;
    story.events.push(event(at("2026-11-18 09:05"), "reopened", "vigie", json!({ "added": 1 })));
    let (_, report) = with(vec![story]);
    let alert = &report.alerts[0];
    assert!(alert.acknowledged.is_none());
    assert_eq!((alert.breaches, alert.happened_at), (2, at("2026-11-18 07:10")));
    assert!(
        sentences(&report, "en")[1].starts_with("1 alert: Glucose 0.50 g/L (limit 0.54), 18 Nov at 09:00")
    );
}

#[test]
fn a_silence_is_told_as_what_was_not_measured() {
    let (_, report) = with(vec![silence(1, "2026-11-21 19:00")]);
    // Counted from the reading a day before it was due, to when the report was made: Friday 19:00 to Monday 06:00.
    assert_eq!(
        sentences(&report, "fr")[1],
        "1 alerte~: Aucune mesure de glycémie depuis 59 h (attendue toutes les 24 h), 21/11 à 19:00, pas encore prise en \
         charge."
    );
}
