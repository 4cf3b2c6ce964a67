//! Reports as patients of each care plan have them, and some that nobody should have.

use jiff::SignedDuration;
use rust_decimal::{Decimal, dec};
use serde_json::json;
use vigie_reports::content::practice::{self, PatientLine, PracticeSummary};
use vigie_reports::content::{CorrectionOf, Options, Report, build};
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{Evidence, Priority, ReadingKey, RuleSpec, Threshold, Unit, Value, Vital};

use crate::content_support::{Making, alert, at, breach, event, minutes, week};

/// What every text from outside could look like.
pub(crate) const HOSTILE: &str = "#panic() *x* <script>alert(1)</script> $y$ \\ @z `q` // = {author}";

/// A number between -1 and 1 that looks random and is the same on every machine.
fn wobble(n: i64) -> f64 {
    let mixed =
        (n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 33) & 0xffff;
    mixed as f64 / 32_767.5 - 1.0
}

fn begin(plans: &[CarePlan], who: (&str, &str, &str)) -> Making {
    let mut making = week("2026-W47", plans);
    let patient = &mut making.record.patient;
    (patient.family_name, patient.given_name, patient.sex) = (who.0.into(), who.1.into(), who.2.into());
    patient.care_team = "Équipe Nord".into();
    for rule in &mut making.record.rules {
        rule.author = format!("care plan {}", plans[0].code());
    }
    making
}

/// Fingersticks, four a day; one low that the nurse handled, one high that arrived a day late, one control solution.
pub(crate) fn diabetes() -> Making {
    let mut making = begin(&[CarePlan::Diabetes], ("Lefèvre", "Marguerite", "female"));
    making.device("glucose-1", "glucometer", None, None);
    for day in 0..14 {
        for (slot, (hour, usual)) in
            [(7, 128.0), (12, 142.0), (19, 156.0), (22, 149.0)].into_iter().enumerate()
        {
            if day == 9 && slot > 0 {
                continue;
            }
            let when = at("2026-11-09 00:00")
                + minutes(day * 1_440 + hour * 60 + (wobble(day * 7 + hour) * 20.0) as i64);
            let value = usual + 48.0 * wobble(day * 31 + hour);
            making.measured(Vital::Glucose, when, &format!("{:.2}", value / 100.0));
        }
    }
    making.measured(Vital::Glucose, at("2026-11-20 02:10"), "0.52").reading.received_at =
        at("2026-11-22 08:05");
    making.measured(Vital::Glucose, at("2026-11-21 18:30"), "2.84");
    making.measured(Vital::Glucose, at("2026-11-19 09:00"), "1.21").reading.of_a_person = false;
    let mut low =
        breach(Vital::Glucose, "2026-11-20 02:10", "0.52", Unit::GramPerLitre, dec!(0.54), Priority::High);
    low.known_at = at("2026-11-22 08:05");
    let mut story = alert(1, "glucose.low", Priority::High, low);
    story.events.push(event(at("2026-11-22 08:12"), "acknowledged", "Inf. Claire Durand", json!({})));
    story.events.push(event(
        at("2026-11-22 08:40"),
        "resolved",
        "Inf. Claire Durand",
        json!({"outcome": "true_alert_called_patient"}),
    ));
    making.alert(story);
    let high =
        breach(Vital::Glucose, "2026-11-21 18:30", "2.84", Unit::GramPerLitre, dec!(2.50), Priority::Medium);
    making.alert(alert(2, "glucose.high", Priority::Medium, high));
    making
}

/// A sensor with a night of silence, lows before meals, highs after them.
pub(crate) fn diabetes_cgm() -> Making {
    let mut making = begin(&[CarePlan::DiabetesCgm], ("Benali", "Yanis", "male"));
    making.device("glucose_interstitial-1", "cgm", None, None);
    for step in 0..(28 * 288) {
        let when = at("2026-10-26 00:00") + minutes(step * 5);
        if when > at("2026-11-18 23:00") && when < at("2026-11-19 06:30") {
            continue;
        }
        let hour = (step % 288) as f64 / 12.0;
        let meals: f64 = [8.0, 13.0, 20.0]
            .iter()
            .map(|meal| 62.0 * (-((hour - meal - 1.2) / 1.4_f64).powi(2)).exp())
            .sum();
        let value = 100.0
            + meals
            + 26.0 * (step as f64 / 401.0).sin()
            + 18.0 * (step as f64 / 53.0).sin()
            + 4.0 * wobble(step);
        making.measured(Vital::GlucoseInterstitial, when, &format!("{:.2}", value / 100.0));
    }
    making
}

/// Weight going up, the limit tightened on Wednesday, a scale exchanged on Thursday, two days in hospital the week before.
pub(crate) fn heart_failure() -> Making {
    let mut making = begin(&[CarePlan::HeartFailure], ("Ménard de la Tour", "Jean-Baptiste", "male"));
    making.device("weight-1", "scale", None, Some("2026-11-19 10:00"));
    making.device("weight-2", "scale", Some("2026-11-19 10:05"), None);
    making.device("systolic-1", "blood_pressure_monitor", None, None);
    for day in 0..42 {
        let morning = at("2026-10-12 07:00") + minutes(day * 1_440 + (wobble(day) * 25.0) as i64);
        let gain = if day > 35 { (day - 35) as f64 * 0.42 } else { 0.0 };
        let device = if morning > at("2026-11-19 10:00") { "weight-2" } else { "weight-1" };
        if day != 30 && day != 31 {
            let weight = format!("{:.1}", 81.6 + gain + 0.35 * wobble(day * 3));
            making.from_device(device, Vital::Weight, morning, &weight);
        }
        if day > 27 {
            for (offset, add) in [(10, 0.0), (12, -3.0), (720, 4.0), (722, 1.0)] {
                let (systolic, diastolic) =
                    (131.0 + add + 9.0 * wobble(day * 5 + offset), 78.0 + 6.0 * wobble(day + offset));
                making.pressure(
                    morning + minutes(offset),
                    &format!("{systolic:.0}"),
                    &format!("{diastolic:.0}"),
                );
                making.measured(
                    Vital::Pulse,
                    morning + minutes(offset),
                    &format!("{:.0}", 72.0 + 8.0 * wobble(day * 11 + offset)),
                );
            }
            making.measured(Vital::Spo2, morning + minutes(15), &format!("{:.0}", 95.0 + 2.0 * wobble(day)));
        }
    }
    making.pause("2026-11-11 08:00", "2026-11-12 20:00", "hospitalisation programmée (cardiologie)");
    making.pause("2026-11-21 18:00", "2026-11-22 09:00", "déplacement en famille");
    let mut gain =
        breach(Vital::Weight, "2026-11-21 07:10", "84.3", Unit::Kilogram, dec!(2), Priority::Medium);
    gain.reference = Some((Value::parse("81.9", "", Unit::Kilogram).unwrap(), at("2026-11-18 07:00")));
    gain.threshold.window_hours = Some(72);
    let mut story = alert(1, "weight.gain", Priority::Medium, gain);
    story.events.push(event(at("2026-11-21 09:20"), "acknowledged", "Inf. Claire Durand", json!({})));
    making.alert(story);
    // The limit was tightened on Wednesday.
    let before =
        making.record.rules.iter().find(|rule| matches!(rule.spec, RuleSpec::Change(_))).unwrap().clone();
    let mut changed = before;
    changed.version = 2;
    changed.valid_from = at("2026-11-18 11:00");
    changed.recorded_at = at("2026-11-18 11:00");
    changed.author = "Dr Anne Petit".into();
    changed.reason =
        "Prise de poids rapide il y a un mois ; seuil abaissé après accord du cardiologue.".into();
    if let RuleSpec::Change(rule) = &mut changed.spec {
        rule.steps[0].delta.insert(Unit::Kilogram, dec!(1.5));
    }
    making.record.rules.push(changed);
    making
}

/// INR every one or two weeks for half a year.
pub(crate) fn oral_anticoagulation() -> Making {
    let mut making = begin(&[CarePlan::OralAnticoagulation], ("Kowalczyk", "Élise", "female"));
    making.device("inr-1", "inr_meter", None, None);
    for (n, days) in
        [170, 163, 149, 142, 128, 114, 107, 93, 79, 72, 58, 44, 37, 30, 23, 16, 9, 2].into_iter().enumerate()
    {
        let when = at("2026-11-22 08:00") - SignedDuration::from_hours(24 * days);
        making.measured(Vital::Inr, when, &format!("{:.1}", 2.5 + 0.7 * wobble(n as i64 * 13)));
    }
    let high = breach(Vital::Inr, "2026-11-20 08:00", "4.3", Unit::Inr, dec!(4), Priority::Medium);
    making.measured(Vital::Inr, at("2026-11-20 08:00"), "4.3");
    let mut story = alert(1, "inr.high", Priority::Medium, high);
    story.events.push(event(at("2026-11-20 09:00"), "acknowledged", "Dr Anne Petit", json!({})));
    story.events.push(event(
        at("2026-11-20 09:30"),
        "resolved",
        "Dr Anne Petit",
        json!({"outcome": "treatment_changed"}),
    ));
    making.alert(story);
    making
}

/// Two readings in the week: nothing can be concluded.
pub(crate) fn thin() -> Making {
    let mut making = begin(&[CarePlan::Diabetes], ("Roux", "Paul", "unknown"));
    making.device("glucose-1", "glucometer", None, None);
    making.measured(Vital::Glucose, at("2026-11-17 07:20"), "1.12");
    making.measured(Vital::Glucose, at("2026-11-18 07:05"), "1.34");
    making
}

/// The second version of a report, after readings came that the first did not know.
pub(crate) fn correction() -> Report {
    let mut making = diabetes();
    let replaces = Box::new(making.report());
    for day in 0..3 {
        let when = at("2026-11-18 12:30") + minutes(day * 1_440);
        making.measured(Vital::Glucose, when, "2.61").reading.received_at = at("2026-11-24 09:00");
    }
    making.record.wanted.known_at = at("2026-11-24 10:00");
    let options = Options {
        version: 2,
        correction: Some(CorrectionOf {
            replaces,
            author: "Dr Anne Petit".into(),
            reason: "Le lecteur a transmis trois mesures après la fin de la semaine.".into(),
        }),
        ..making.options()
    };
    build(&making.record, &options)
}

/// Everything too long, too many, and hostile.
pub(crate) fn monster() -> Report {
    let mut making = begin(
        &CarePlan::ALL,
        (&format!("{}{HOSTILE}", "Abcdefghij".repeat(6)), &"Jklmnopqrs".repeat(6), "male"),
    );
    making.record.patient.identifier = "IPP-".to_owned() + &"0123456789".repeat(6);
    making.record.patient.care_team = HOSTILE.into();
    for source in [diabetes(), heart_failure(), oral_anticoagulation()] {
        making.record.readings.extend(source.record.readings);
    }
    for n in 0..40_i64 {
        let priority =
            [Priority::High, Priority::Medium, Priority::Low, Priority::Technical][(n % 4) as usize];
        let mut evidence =
            breach(Vital::Glucose, "2026-11-16 06:00", "0.52", Unit::GramPerLitre, dec!(0.54), priority);
        evidence.happened_at = at("2026-11-16 06:00") + minutes(n * 190);
        evidence.known_at = evidence.happened_at + minutes(if n % 3 == 0 { 2_000 } else { 3 });
        let known = evidence.known_at;
        let mut story = alert(n as u128 + 1, "glucose.low", priority, evidence);
        if n % 2 == 0 {
            story.events.push(event(
                known + minutes(20),
                "acknowledged",
                &"Ouvrieretcelebre".repeat(4),
                json!({}),
            ));
            story.events.push(event(
                known + minutes(50),
                "resolved",
                HOSTILE,
                json!({"outcome": "nobody_knows_this_code"}),
            ));
        }
        making.alert(story);
    }
    making.alert(alert(99, "glucose.silence", Priority::Technical, silence()));
    making.pause("2026-11-16 01:00", "2026-11-16 02:00", HOSTILE);
    for rule in &mut making.record.rules {
        rule.author = HOSTILE.into();
        rule.reason = format!("{HOSTILE} ").repeat(14);
        rule.valid_from = at("2026-11-18 00:00");
    }
    let mut report = making.report();
    report.summary.insert(
        "fr".into(),
        vec![HOSTILE.repeat(5), "𝒳 名前 😀 \u{0}\u{202e}fin".into(), "Long ".repeat(200)],
    );
    report.summary.insert("en".into(), vec![HOSTILE.repeat(5)]);
    report.completeness.refused.insert("unknown_unit".into(), 12);
    report.completeness.never_arrived = 3;
    report
}

fn silence() -> Evidence {
    Evidence {
        reading: None::<ReadingKey>,
        vital: Vital::Glucose,
        value: None,
        reference: None,
        happened_at: at("2026-11-18 10:00"),
        known_at: at("2026-11-18 10:00"),
        rule_version: 1,
        priority: Priority::Technical,
        threshold: Threshold {
            value: Decimal::from(36),
            unit: None,
            window_hours: Some(24),
            inclusive: false,
        },
    }
}

/// A practice that follows all of them.
pub(crate) fn practice() -> PracticeSummary {
    let lines = all().iter().map(|(_, report)| PatientLine::of(report)).collect();
    practice::build("Cabinet du Port #1", "2026-W47".parse().unwrap(), "vigie 0.1.0", lines)
}

/// All of them, by name.
pub(crate) fn all() -> Vec<(&'static str, Report)> {
    vec![
        ("diabetes", diabetes().report()),
        ("diabetes_cgm", diabetes_cgm().report()),
        ("heart_failure", heart_failure().report()),
        ("oral_anticoagulation", oral_anticoagulation().report()),
        ("thin", thin().report()),
        ("correction", correction()),
        ("monster", monster()),
    ]
}
