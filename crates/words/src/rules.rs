//! Rules in words, and as the fields of a form.

use rust_decimal::Decimal;
use vigie_vitals::{Direction, RuleSpec, Side, Unit, UnitTable, Vital};

use crate::sentences::every_words;
use crate::{Texts, values};

/// The unit in which a vital sign is shown where readings do not decide it.
pub fn usual_unit(vital: Vital) -> Unit {
    match vital {
        // French meters show g/L.
        Vital::Glucose | Vital::GlucoseInterstitial => Unit::GramPerLitre,
        Vital::Weight
        | Vital::Inr
        | Vital::Systolic
        | Vital::Diastolic
        | Vital::Pulse
        | Vital::Spo2
        | Vital::Temperature
        | Vital::RespiratoryRate
        | Vital::Fev1
        | Vital::PeakFlow
        | Vital::SymptomScore => vital.canonical_unit(),
    }
}

/// `Glycémie : limite basse`.
pub fn title(spec: &RuleSpec, t: Texts) -> String {
    let kind = match spec {
        RuleSpec::Limit(rule) => match rule.side {
            Side::Low => t.get("rule.low"),
            Side::High => t.get("rule.high"),
        },
        RuleSpec::Change(rule) => match rule.direction {
            Direction::Gain => t.get("rule.gain"),
            Direction::Loss => t.get("rule.loss"),
        },
        RuleSpec::Silence(_) => t.get("rule.silence"),
    };
    t.fill("rule.title", &[("vital", &t.get(&format!("vital.{}", spec.vital().code()))), ("kind", &kind)])
}

fn in_unit(table: &UnitTable, unit: Unit, t: Texts) -> String {
    let (unit, number) = match table.get(&unit) {
        Some(number) => (unit, *number),
        None => table.iter().next().map_or((unit, Decimal::ZERO), |(unit, number)| (*unit, *number)),
    };
    format!("{} {}", t.0.number(number), values::unit(unit)).trim_end().to_owned()
}

/// What it says, step by step: `< 0,70 g/L : moyenne`, `+2 kg en 3 jours : moyenne`.
pub fn steps(spec: &RuleSpec, unit: Unit, t: Texts) -> Vec<String> {
    let priority = |p: vigie_vitals::Priority| t.get(&format!("priority.{}", p.as_str())).to_lowercase();
    match spec {
        RuleSpec::Limit(rule) => rule
            .levels
            .iter()
            .map(|level| {
                let sign = match (rule.side, level.inclusive) {
                    (Side::Low, false) => "<",
                    (Side::Low, true) => "≤",
                    (Side::High, false) => ">",
                    (Side::High, true) => "≥",
                };
                let limit = format!("{sign} {}", in_unit(&level.threshold, unit, t));
                t.fill("rule.step", &[("what", &limit), ("priority", &priority(level.priority))])
            })
            .collect(),
        RuleSpec::Change(rule) => rule
            .steps
            .iter()
            .map(|step| {
                let sign = match rule.direction {
                    Direction::Gain => "+",
                    Direction::Loss => "−",
                };
                let window = values::span(i64::from(step.window_hours), t);
                let delta = format!("{sign}{}", in_unit(&step.delta, unit, t));
                let what = t.fill("rule.change", &[("delta", &delta), ("window", &window)]);
                t.fill("rule.step", &[("what", &what), ("priority", &priority(step.priority))])
            })
            .collect(),
        RuleSpec::Silence(rule) => {
            let every = every_words(i64::from(rule.every_hours), t);
            let grace = values::span(i64::from(rule.grace_hours), t);
            vec![t.fill("rule.expected", &[("every", &every), ("grace", &grace)])]
        }
    }
}

/// One field of the form for a new version.
pub struct Field {
    /// `level.0.g/L`, `step.1.kg`, `every_hours`.
    pub name: String,
    /// What the number means, for people.
    pub label: String,
    /// The number as it stands, with a decimal point.
    pub value: String,
}

/// All numbers of a rule, one field for each unit: thresholds are never converted behind anybody's back.
pub fn fields(spec: &RuleSpec, t: Texts) -> Vec<Field> {
    let table = |prefix: &str, index: usize, step: &str, table: &UnitTable| -> Vec<Field> {
        table
            .iter()
            .map(|(unit, number)| Field {
                name: format!("{prefix}.{index}.{}", unit.ucum()),
                label: format!("{step} ({})", if *unit == Unit::One { "1" } else { values::unit(*unit) })
                    .replace(" ()", ""),
                value: number.normalize().to_string(),
            })
            .collect()
    };
    let unit = usual_unit(spec.vital());
    let steps = steps(spec, unit, t);
    let step = |index: usize| steps.get(index).cloned().unwrap_or_default();
    match spec {
        RuleSpec::Limit(rule) => rule
            .levels
            .iter()
            .enumerate()
            .flat_map(|(i, l)| table("level", i, &step(i), &l.threshold))
            .collect(),
        RuleSpec::Change(rule) => {
            rule.steps.iter().enumerate().flat_map(|(i, s)| table("step", i, &step(i), &s.delta)).collect()
        }
        RuleSpec::Silence(rule) => [("every_hours", rule.every_hours), ("grace_hours", rule.grace_hours)]
            .into_iter()
            .map(|(name, hours)| Field {
                name: name.to_owned(),
                label: t.get(&format!("rule.{name}")).to_owned(),
                value: hours.to_string(),
            })
            .collect(),
    }
}

/// Writes the numbers of a form into a copy of a rule. A number that is none is named.
pub fn with_fields(spec: &RuleSpec, fields: &[(String, String)]) -> Result<RuleSpec, String> {
    let mut changed = spec.clone();
    let number = |text: &str| {
        let text = text.trim().replace(',', ".");
        Decimal::from_str_exact(&text).map_err(|_| format!("{text:?} is no number"))
    };
    let hours =
        |text: &str| text.trim().parse::<u32>().map_err(|_| format!("{text:?} is no number of hours"));
    for (name, text) in fields {
        let mut parts = name.splitn(3, '.');
        let key =
            (parts.next().unwrap_or(""), parts.next().and_then(|i| i.parse::<usize>().ok()), parts.next());
        let table = match (&mut changed, key) {
            (RuleSpec::Limit(rule), ("level", Some(i), Some(unit))) => {
                rule.levels.get_mut(i).map(|level| (&mut level.threshold, unit))
            }
            (RuleSpec::Change(rule), ("step", Some(i), Some(unit))) => {
                rule.steps.get_mut(i).map(|step| (&mut step.delta, unit))
            }
            (RuleSpec::Silence(rule), ("every_hours", None, None)) => {
                rule.every_hours = hours(text)?;
                None
            }
            (RuleSpec::Silence(rule), ("grace_hours", None, None)) => {
                rule.grace_hours = hours(text)?;
                None
            }
            _ => None,
        };
        if let Some((table, unit)) = table {
            let unit = Unit::parse(unit).map_err(|error| error.to_string())?;
            table.insert(unit, number(text)?);
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use vigie_charts::Locale;
    use vigie_vitals::plans::{CarePlan, default_rules};

    use super::*;

    #[test]
    fn a_form_sent_back_unchanged_is_the_same_rule() {
        for plan in CarePlan::ALL {
            for (_, spec) in default_rules(plan) {
                let fields: Vec<(String, String)> =
                    fields(&spec, Texts(Locale::Fr)).into_iter().map(|f| (f.name, f.value)).collect();
                assert!(!fields.is_empty());
                assert_eq!(with_fields(&spec, &fields).unwrap(), spec);
            }
        }
    }

    #[test]
    fn a_decimal_comma_is_understood_and_a_word_is_not() {
        let (_, spec) = default_rules(CarePlan::Diabetes).into_iter().next().unwrap();
        let changed = with_fields(&spec, &[("level.1.g/L".into(), "0,50".into())]).unwrap();
        assert!(steps(&changed, Unit::GramPerLitre, Texts(Locale::Fr))[1].starts_with("< 0,50 g/L"));
        assert!(with_fields(&spec, &[("level.1.g/L".into(), "low".into())]).is_err());
    }
}
