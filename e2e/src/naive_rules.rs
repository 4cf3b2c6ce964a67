//! The rules of load devices' patients, written down once more as plainly as possible: every reading against every
//! earlier one, no windows that move, no versions. All readings of a patient must lie within three days, so that each
//! lies in the widest window of each.

use anyhow::{Result, bail};

/// A stored value, in thousandths of its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// When, in whatever unit.
    pub at: i64,
    /// The value.
    pub thousandths: i64,
    /// `glucose` in g/L or `weight` in kg.
    pub vital: String,
    /// Names the breach, if it is one.
    pub breach: String,
}

/// Breaches of one rule, and the priority that its alert must have.
#[derive(Debug, PartialEq, Eq)]
pub struct Expected {
    /// The rule's name.
    pub rule: &'static str,
    /// The highest of its breaches.
    pub priority: &'static str,
    /// Their names, by time.
    pub breaches: Vec<String>,
}

/// What must be on alert for one patient's readings, by time. A vital sign that no load device measures is an error.
pub fn expected(readings: &[Measured]) -> Result<Vec<Expected>> {
    let mut low = Vec::new();
    let mut gain = Vec::new();
    let mut loss = Vec::new();
    for (place, reading) in readings.iter().enumerate() {
        match reading.vital.as_str() {
            // Below 0.70 g/L; the abnormal ones are below 0.54, so high.
            "glucose" if reading.thousandths < 700 => low.push(reading.breach.clone()),
            "glucose" => {}
            "weight" => {
                let before: Vec<_> =
                    readings.iter().take(place).filter(|earlier| earlier.vital == "weight").collect();
                // At least 1 kg more than some reading of the last day; 2 kg and more is medium.
                if before.iter().any(|earlier| reading.thousandths - earlier.thousandths >= 1_000) {
                    gain.push(reading.breach.clone());
                }
                // At least 2 kg less than some reading of the last three days.
                if before.iter().any(|earlier| earlier.thousandths - reading.thousandths >= 2_000) {
                    loss.push(reading.breach.clone());
                }
            }
            other => bail!("no load device measures {other}"),
        }
    }
    let rules =
        [("glucose_low", "high", low), ("weight_gain", "medium", gain), ("weight_loss", "medium", loss)];
    Ok(rules
        .into_iter()
        .filter(|(_, _, breaches)| !breaches.is_empty())
        .map(|(rule, priority, breaches)| Expected { rule, priority, breaches })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_glucose_and_a_jump_of_weight_are_seen() {
        let reading = |n: i64, vital: &str, thousandths| Measured {
            at: n,
            thousandths,
            vital: vital.into(),
            breach: format!("{n}"),
        };
        let found = expected(&[
            reading(1, "glucose", 900),
            reading(2, "glucose", 500),
            reading(3, "weight", 70_900),
            reading(4, "weight", 75_000),
            reading(5, "weight", 70_100),
        ])
        .unwrap();
        let found: Vec<_> = found.iter().map(|e| (e.rule, e.breaches.join(" "))).collect();
        let wanted = [("glucose_low", "2"), ("weight_gain", "4"), ("weight_loss", "5")];
        assert_eq!(found, wanted.map(|(rule, breaches)| (rule, breaches.to_owned())));
    }
}
