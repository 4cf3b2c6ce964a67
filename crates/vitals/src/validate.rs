//! Checks a rule before it is accepted: a mistyped threshold protects nobody.

use rust_decimal::{Decimal, dec};

use crate::{ChangeRule, LimitRule, RuleError, RuleSpec, Side, SilenceRule, UnitTable, Vital, convert};

/// How far the entries of one table may lie apart once converted. Published cut-offs are rounded (70 mg/dL
/// and 3.9 mmol/L are 0.4 % apart, 1 kg and 2.2 lb 0.2 %); a slipped decimal point is far outside.
const TOLERANCE: Decimal = dec!(0.03);

impl RuleSpec {
    /// Accepts a rule only if it judges every reading that may arrive and says the same in every unit.
    pub fn validate(&self) -> Result<(), RuleError> {
        match self {
            Self::Limit(rule) => validate_limit(rule),
            Self::Change(rule) => validate_change(rule),
            Self::Silence(rule) => validate_silence(rule),
        }
    }
}

fn validate_limit(rule: &LimitRule) -> Result<(), RuleError> {
    let last = rule.levels.last().ok_or(RuleError::Empty)?;
    for level in &rule.levels {
        validate_table(rule.vital, &level.threshold, "a threshold")?;
        agree(rule.vital, &level.threshold, Meaning::Value)?;
    }
    for (mild, severe) in rule.levels.iter().zip(rule.levels.iter().skip(1)) {
        let further_out = severe.threshold.iter().all(|(unit, threshold)| {
            mild.threshold.get(unit).is_some_and(|milder| match rule.side {
                Side::Low => threshold < milder,
                Side::High => threshold > milder,
            })
        });
        if !further_out || severe.priority < mild.priority {
            return Err(RuleError::Order);
        }
    }
    match rule.beyond_range {
        Some(priority) if priority < last.priority => Err(RuleError::Order),
        _ => Ok(()),
    }
}

fn validate_change(rule: &ChangeRule) -> Result<(), RuleError> {
    if rule.steps.is_empty() {
        return Err(RuleError::Empty);
    }
    for step in &rule.steps {
        if step.window_hours == 0 {
            return Err(RuleError::NotPositive("the window"));
        }
        validate_table(rule.vital, &step.delta, "the change")?;
        agree(rule.vital, &step.delta, Meaning::Difference)?;
    }
    if !rule.implausible_jump.is_empty() {
        validate_table(rule.vital, &rule.implausible_jump, "the jump")?;
        agree(rule.vital, &rule.implausible_jump, Meaning::Difference)?;
    }
    Ok(())
}

fn validate_silence(rule: &SilenceRule) -> Result<(), RuleError> {
    if rule.every_hours == 0 { Err(RuleError::NotPositive("the period")) } else { Ok(()) }
}

/// One positive number for each unit of the vital sign, and for no other.
fn validate_table(vital: Vital, table: &UnitTable, name: &'static str) -> Result<(), RuleError> {
    if let Some(foreign) = table.keys().find(|unit| !vital.accepts(**unit)) {
        return Err(RuleError::ForeignUnit(foreign.ucum()));
    }
    if let Some(missing) = vital.units().iter().find(|unit| !table.contains_key(unit)) {
        return Err(RuleError::MissingUnit(missing.ucum()));
    }
    if table.values().any(|number| *number <= Decimal::ZERO) {
        return Err(RuleError::NotPositive(name));
    }
    Ok(())
}

/// Differences of temperature have no zero point.
#[derive(Clone, Copy, PartialEq)]
enum Meaning {
    Value,
    Difference,
}

/// Do all entries say the same within the tolerance?
fn agree(vital: Vital, table: &UnitTable, meaning: Meaning) -> Result<(), RuleError> {
    let canonical = vital.canonical_unit();
    let Some(expected) = table.get(&canonical) else {
        return Err(RuleError::MissingUnit(canonical.ucum()));
    };
    for (unit, number) in table {
        let too_large = |_| RuleError::Disagree(unit.ucum());
        let mut converted = convert(*number, *unit, canonical, vital).map_err(too_large)?;
        if meaning == Meaning::Difference {
            let zero = convert(Decimal::ZERO, *unit, canonical, vital).map_err(too_large)?;
            converted = converted.checked_sub(zero).ok_or(RuleError::Disagree(unit.ucum()))?;
        }
        let apart = converted.checked_sub(*expected).map(|d| d.abs());
        let allowed = expected.checked_mul(TOLERANCE);
        if apart.zip(allowed).is_none_or(|(apart, allowed)| apart > allowed) {
            return Err(RuleError::Disagree(unit.ucum()));
        }
    }
    Ok(())
}
