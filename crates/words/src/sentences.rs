//! The reason of an alert in one sentence, made from its worst breach.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use vigie_vitals::{Condition, Direction, Evidence, RuleSpec, Unit, Vital, convert};

use crate::{Texts, values};

/// A reason, and whether the server learnt of it late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `Glycémie 0,52 g/L (limite 0,54)`.
    pub text: String,
    /// `survenu le 20/11 à 02:10, connu le 22/11 à 08:05`, when more than an hour lies between.
    pub late: Option<String>,
}

impl Reason {
    /// Both, as one sentence.
    pub fn whole(&self) -> String {
        match &self.late {
            Some(late) => format!("{}, {late}", self.text),
            None => self.text.clone(),
        }
    }
}

/// What arrives later than this is told with both its times.
const LATE: SignedDuration = SignedDuration::from_hours(1);

/// The zone of this name; UTC where nobody knows it.
pub fn zone_of(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// What a sentence about an alert is made from.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Its worst breach.
    pub worst: &'a Evidence,
    /// What the rule version that judged it does.
    pub spec: Option<&'a RuleSpec>,
    /// State of the patient's condition.
    pub condition: Condition,
    /// For a silence: the newest reading of the vital sign, if any.
    pub last_reading_at: Option<Timestamp>,
    /// The patient's time zone.
    pub zone: &'a TimeZone,
}

/// The reason of an alert as it stands at `now`.
pub fn reason(alert: Told<'_>, now: Timestamp, texts: Texts) -> Reason {
    let worst = alert.worst;
    if worst.reading.is_none() {
        return Reason { text: silence(alert, now, texts), late: None };
    }
    let late = (worst.known_at.duration_since(worst.happened_at) > LATE).then(|| {
        let happened = values::moment(worst.happened_at, alert.zone, now, texts);
        let known = values::moment(worst.known_at, alert.zone, now, texts);
        texts.fill("reason.late", &[("happened", &happened), ("known", &known)])
    });
    Reason { text: breach(worst, alert.spec, texts), late }
}

/// The sentence of one breach by a reading.
pub fn breach(evidence: &Evidence, spec: Option<&RuleSpec>, texts: Texts) -> String {
    let name = texts.get(&format!("vital.{}", evidence.vital.code())).to_owned();
    let Some(value) = &evidence.value else { return name };
    let shown = values::value(value, texts.0);
    let Some(unit) = evidence.threshold.unit else {
        return texts.fill("reason.incomparable", &[("vital", &name), ("value", &shown)]);
    };
    if let Some(window) = evidence.threshold.window_hours
        && let Some(change) = change(evidence, spec, unit)
    {
        let limit = signed(change.limit, unit, texts);
        let (delta, window) = (signed(change.delta, unit, texts), values::span(i64::from(window), texts));
        return texts.fill(
            "reason.change",
            &[("vital", &name), ("delta", &delta), ("window", &window), ("limit", &limit)],
        );
    }
    // The unit is already said with the value, unless the meter said only HI or LO.
    let number = texts.0.number(evidence.threshold.value);
    let limit = match (value.number, values::unit(unit)) {
        (None, unit) if !unit.is_empty() => format!("{number} {unit}"),
        _ => number,
    };
    texts.fill("reason.limit", &[("vital", &name), ("value", &shown), ("limit", &limit)])
}

struct Change {
    delta: Decimal,
    limit: Decimal,
}

/// By how much it changed and by how much it might have, both with the sign of the direction.
fn change(evidence: &Evidence, spec: Option<&RuleSpec>, unit: Unit) -> Option<Change> {
    let value = evidence.value?;
    let (reference, _) = evidence.reference.as_ref()?;
    let in_unit = |number: Decimal, from: Unit| convert(number, from, unit, evidence.vital).ok();
    let now = in_unit(value.number?, value.unit)?;
    let before = in_unit(reference.number?, reference.unit)?;
    let delta = now.checked_sub(before)?.normalize();
    let loss = match spec {
        Some(RuleSpec::Change(rule)) => rule.direction == Direction::Loss,
        Some(RuleSpec::Limit(_) | RuleSpec::Silence(_)) | None => delta.is_sign_negative(),
    };
    let limit = evidence.threshold.value.abs();
    Some(Change { delta: delta.round_dp(2), limit: if loss { -limit } else { limit } })
}

fn signed(number: Decimal, unit: Unit, texts: Texts) -> String {
    let plus = if number.is_sign_negative() { "" } else { "+" };
    format!("{plus}{} {}", texts.0.number(number), values::unit(unit)).trim_end().to_owned()
}

fn silence(alert: Told<'_>, now: Timestamp, texts: Texts) -> String {
    let allowed = alert.worst.threshold.value;
    let every = match alert.spec {
        Some(RuleSpec::Silence(rule)) => i64::from(rule.every_hours),
        Some(RuleSpec::Limit(_) | RuleSpec::Change(_)) | None => {
            alert.worst.threshold.window_hours.map_or(24, i64::from)
        }
    };
    // Without a reading on record: counted from when watching began, which is due less what is allowed.
    let allowed = SignedDuration::from_hours(i64::try_from(allowed).unwrap_or(every));
    let before_due = alert.worst.happened_at.checked_sub(allowed).unwrap_or(alert.worst.happened_at);
    // A silence that a reading ended is told as it stood when it began.
    let since = alert.last_reading_at.filter(|at| *at <= alert.worst.happened_at).unwrap_or(before_due);
    let until = if alert.condition == Condition::Ended { alert.worst.happened_at } else { now };
    let hours = until.duration_since(since).as_hours().max(0);
    let of = texts.get(&of_key(alert.worst.vital)).to_owned();
    texts.fill(
        "reason.silence",
        &[("of", &of), ("since", &values::span(hours, texts)), ("every", &every_words(every, texts))],
    )
}

/// The key of "of weight", "de poids".
pub fn of_key(vital: Vital) -> String {
    format!("vital.{}.of", vital.code())
}

/// `toutes les 24 h`, `tous les 7 jours`.
pub fn every_words(hours: i64, texts: Texts) -> String {
    if hours >= 48 && hours % 24 == 0 {
        texts.with("every.days", "n", hours / 24)
    } else {
        texts.with("every.hours", "n", hours)
    }
}
