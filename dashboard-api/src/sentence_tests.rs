//! The table of sentences, in both languages.

use rust_decimal::Decimal;
use vigie_charts::Locale;
use vigie_vitals::{
    AlertId, AlertState, ChangeRule, Condition, DeviceId, Direction, Evidence, PatientId, Priority,
    ReadingKey, RuleId, RuleSpec, SilenceRule, Threshold, Unit, Value, Vital,
};

use vigie_words::sentences::of_key;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const NOW: &str = "2026-11-22T08:00:00Z";

fn alert(vital: Vital, value: Option<Value>, threshold: Threshold) -> Alert {
    let (happened_at, known_at) = (at("2026-11-22T07:00:00Z"), at("2026-11-22T07:00:05Z"));
    let key = ReadingKey { device: DeviceId("d".into()), epoch: 1, sequence: 1 };
    Alert {
        id: AlertId(uuid::Uuid::nil()),
        patient: PatientId(uuid::Uuid::nil()),
        time_zone: "Europe/Paris".into(),
        rule: RuleId("rule".into()),
        rule_version: 1,
        author: None,
        reason: None,
        spec: None,
        vital,
        priority: Priority::High,
        state: AlertState::Open,
        condition: Condition::Active,
        happened_at,
        known_at,
        opened_at: known_at,
        changed_at: known_at,
        unsupported: false,
        worst: Evidence {
            reading: value.is_some().then_some(key),
            vital,
            value,
            reference: None,
            happened_at,
            known_at,
            rule_version: 1,
            priority: Priority::High,
            threshold,
        },
        breaches: 1,
        acknowledged: None,
        assigned_to: None,
        resolved: None,
        outcome: None,
        last_reading_at: None,
    }
}

fn threshold(value: &str, unit: Option<Unit>, window_hours: Option<u32>) -> Threshold {
    Threshold { value: value.parse::<Decimal>().unwrap(), unit, window_hours, inclusive: false }
}

fn limit(vital: Vital, value: &str, comparator: &str, unit: Unit, limit: &str) -> Alert {
    let value = Value::parse(value, comparator, unit).unwrap();
    alert(vital, Some(value), threshold(limit, Some(unit), None))
}

fn weight(value: &str, before: &str, limit: &str, hours: u32, direction: Direction) -> Alert {
    let kilograms = |text: &str| Value::parse(text, "", Unit::Kilogram).unwrap();
    let mut alert =
        alert(Vital::Weight, Some(kilograms(value)), threshold(limit, Some(Unit::Kilogram), Some(hours)));
    alert.worst.reference = Some((kilograms(before), at("2026-11-19T07:00:00Z")));
    alert.spec = Some(RuleSpec::Change(ChangeRule {
        vital: Vital::Weight,
        direction,
        steps: Vec::new(),
        implausible_jump: std::collections::BTreeMap::new(),
    }));
    alert
}

fn silent(vital: Vital, last: Option<&str>, due: &str, every_hours: u32, grace_hours: u32) -> Alert {
    let mut alert =
        alert(vital, None, threshold(&(every_hours + grace_hours).to_string(), None, Some(every_hours)));
    alert.worst.happened_at = at(due);
    alert.last_reading_at = last.map(at);
    alert.spec = Some(RuleSpec::Silence(SilenceRule { vital, every_hours, grace_hours }));
    alert
}

#[test]
fn each_kind_of_breach_is_one_sentence_in_both_languages() {
    let mut late = limit(Vital::Glucose, "0.52", "", Unit::GramPerLitre, "0.54");
    late.worst.happened_at = at("2026-11-20T01:10:00Z");
    late.worst.known_at = at("2026-11-22T07:05:00Z");
    let table = [
        (
            limit(Vital::Glucose, "0.52", "", Unit::GramPerLitre, "0.54"),
            "Glycémie 0,52 g/L (limite 0,54)",
            "Glucose 0.52 g/L (limit 0.54)",
        ),
        (
            late,
            "Glycémie 0,52 g/L (limite 0,54), survenu le 20/11 à 02:10, connu le 22/11 à 08:05",
            "Glucose 0.52 g/L (limit 0.54), happened 20 Nov at 02:10, known 22 Nov at 08:05",
        ),
        (
            limit(Vital::Glucose, "HI", "", Unit::GramPerLitre, "3.00"),
            "Glycémie HI (limite 3,00 g/L)",
            "Glucose HI (limit 3.00 g/L)",
        ),
        (limit(Vital::Inr, "8.0", ">", Unit::Inr, "6"), "INR > 8,0 (limite 6)", "INR > 8.0 (limit 6)"),
        (
            limit(Vital::Systolic, "184", "", Unit::MillimetreOfMercury, "180"),
            "Pression systolique 184 mmHg (limite 180)",
            "Systolic pressure 184 mmHg (limit 180)",
        ),
        (
            weight("82.4", "80.0", "2", 72, Direction::Gain),
            "Poids +2,4 kg en 3 jours (limite +2 kg)",
            "Weight +2.4 kg in 3 days (limit +2 kg)",
        ),
        (
            weight("81.0", "80.0", "1", 24, Direction::Gain),
            "Poids +1 kg en 24 h (limite +1 kg)",
            "Weight +1 kg in 24 h (limit +1 kg)",
        ),
        (
            weight("77.6", "80.0", "2", 72, Direction::Loss),
            "Poids −2,4 kg en 3 jours (limite −2 kg)",
            "Weight −2.4 kg in 3 days (limit −2 kg)",
        ),
        (
            silent(Vital::Weight, Some("2026-11-20T18:00:00Z"), "2026-11-22T06:00:00Z", 24, 12),
            "Aucune mesure de poids depuis 38 h (attendue toutes les 24 h)",
            "No weight reading for 38 h (expected every 24 h)",
        ),
        (
            silent(Vital::Inr, Some("2026-11-10T07:00:00Z"), "2026-11-20T07:00:00Z", 168, 72),
            "Aucune mesure d’INR depuis 12 jours (attendue tous les 7 jours)",
            "No INR reading for 12 days (expected every 7 days)",
        ),
        (
            silent(Vital::Glucose, None, "2026-11-22T06:00:00Z", 24, 0),
            "Aucune mesure de glycémie depuis 26 h (attendue toutes les 24 h)",
            "No glucose reading for 26 h (expected every 24 h)",
        ),
        (
            {
                let value = Value::parse("5.2", "", Unit::MillimolePerLitre).unwrap();
                alert(Vital::Glucose, Some(value), threshold("0", None, None))
            },
            "Glycémie 5,2 mmol/L : la règle n’a pas de limite dans cette unité, à revoir",
            "Glucose 5.2 mmol/L: the rule has no limit in this unit, to be reviewed",
        ),
    ];
    for (alert, french, english) in table {
        assert_eq!(reason(&alert, at(NOW), Texts(Locale::Fr)).whole(), french);
        assert_eq!(reason(&alert, at(NOW), Texts(Locale::En)).whole(), english);
    }
}

#[test]
fn every_vital_has_a_name_and_a_genitive() {
    for vital in Vital::ALL {
        for texts in [Texts(Locale::Fr), Texts(Locale::En)] {
            for key in [format!("vital.{}", vital.code()), of_key(vital)] {
                assert_ne!(texts.get(&key), key);
            }
        }
    }
}

#[test]
fn everything_that_a_page_names_by_code_has_a_text() {
    let codes = vigie_vitals::plans::CarePlan::ALL
        .map(|plan| format!("plan.{}", plan.code()))
        .into_iter()
        .chain(crate::work::OUTCOMES.map(|outcome| format!("outcome.{outcome}")))
        .chain(vigie_store::staff::StaffRole::ALL.map(|role| format!("role.{}", role.as_str())))
        .chain(["high", "medium", "low", "technical"].map(|priority| format!("priority.{priority}")))
        .chain(["open", "acknowledged", "resolved"].map(|state| format!("state.{state}")))
        .chain(["active", "recovering", "ended"].map(|condition| format!("condition.{condition}")))
        .chain(["female", "male", "unknown"].map(|sex| format!("sex.{sex}")))
        .chain(crate::worklist::Bucket::ALL.into_iter().flat_map(|bucket| {
            ["name", "hint", "empty"].map(|part| format!("bucket.{}.{part}", bucket.code()))
        }));
    for key in codes {
        for texts in [Texts(Locale::Fr), Texts(Locale::En)] {
            assert_ne!(texts.get(&key), key);
        }
    }
}
