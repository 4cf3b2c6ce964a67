//! What a physician changes in the middle of the last whole week, and a pause for a stay in hospital. No number here
//! is new: each is a shipped one, or the target of a mechanical valve in \[HAS-AVK\].

use anyhow::{Context, Result};
use jiff::Timestamp;
use vigie_store::setup::NewRuleVersion;
use vigie_store::{Database, rules};
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{PatientId, Pause, Priority, RuleSpec};

use super::staff::{Member, note};
use super::story::Stretch;

/// What is to be written when its time has come.
pub(super) enum Order {
    Prescribe(CarePlan),
    Pause(Stretch),
}

/// An order with who gives it.
pub(super) struct Due {
    pub(super) at: Timestamp,
    pub(super) patient: PatientId,
    pub(super) by: Member,
    pub(super) order: Order,
}

/// Which rules of a plan are changed, and why.
fn changes(plan: CarePlan) -> (&'static [&'static str], &'static str) {
    match plan {
        CarePlan::Diabetes => (
            &["glucose_high"],
            "Corticothérapie de dix jours\u{202f}: alerter seulement au-dessus de 3,00 g/L, glycémies élevées attendues.",
        ),
        CarePlan::DiabetesCgm => (
            &["glucose_interstitial_low"],
            "Hypoglycémies non ressenties\u{202f}: rappeler la personne dès 70 mg/dL.",
        ),
        CarePlan::HeartFailure => (
            &["weight_gain"],
            "Variations d’un jour à l’autre sans signification chez cette personne\u{202f}: garder la prise de poids sur 3 et 8 jours.",
        ),
        CarePlan::OralAnticoagulation => {
            (&["inr_high", "inr_low"], "Prothèse valvulaire mécanique\u{202f}: zone cible 2,5 à 3,5.")
        }
    }
}

/// The changed rule.
fn change(rule: &str, spec: &mut RuleSpec) -> Result<()> {
    match (rule, spec) {
        // The awareness level (250 mg/dL) goes, 300 stays.
        ("glucose_high", RuleSpec::Limit(limit)) => {
            limit.levels.remove(0);
        }
        ("glucose_interstitial_low", RuleSpec::Limit(limit)) => {
            limit.levels.iter_mut().for_each(|level| level.priority = Priority::High);
        }
        ("weight_gain", RuleSpec::Change(change)) => {
            change.steps.retain(|step| step.window_hours > 24);
        }
        // Some mechanical valves: 2.5 to 3.5 [HAS-AVK].
        ("inr_high", RuleSpec::Limit(limit)) => {
            let level = limit.levels.first_mut().context("a level")?;
            for threshold in level.threshold.values_mut() {
                *threshold = "3.5".parse()?;
            }
        }
        // With a mechanical valve below 1.5 is high (proposal, DOMAIN 2.3).
        ("inr_low", RuleSpec::Limit(limit)) => {
            let level = limit.levels.first_mut().context("a level")?;
            for threshold in level.threshold.values_mut() {
                *threshold = "2.5".parse()?;
            }
            limit.levels.iter_mut().skip(1).for_each(|level| level.priority = Priority::High);
        }
        (other, _) => anyhow::bail!("nothing is known to change of {other}"),
    }
    Ok(())
}

impl Due {
    /// Writes it, as of its time.
    pub(super) async fn write(&self, database: &Database) -> Result<()> {
        let (at, patient) = (self.at, self.patient);
        let mut tx = database.begin_as(self.by.id).await?;
        match &self.order {
            Order::Prescribe(plan) => {
                let known = rules::of_patient(&mut tx, patient).await?;
                let (names, reason) = changes(*plan);
                for name in names {
                    let before = known.iter().rev().find(|version| version.rule.as_str() == *name);
                    let before = before.with_context(|| format!("the patient has no rule {name}"))?;
                    let mut spec = before.spec.clone();
                    change(name, &mut spec)?;
                    spec.validate()?;
                    let new = NewRuleVersion {
                        rule: before.rule.clone(),
                        spec,
                        valid_from: at,
                        recorded_at: at,
                        author_id: Some(self.by.id),
                        author: self.by.name.clone(),
                        reason: reason.to_owned(),
                    };
                    let version = rules::prescribe(&mut tx, patient, &new).await?.context("a version")?;
                    let detail = format!("{name} version {version}");
                    note(&mut tx, &self.by, "rule.change", patient, &detail, at).await?;
                }
            }
            Order::Pause((from, until)) => {
                let pause = Pause {
                    from: *from,
                    until: *until,
                    reason: "Hospitalisation programmée au CHU".into(),
                    recorded_at: at,
                };
                let id = rules::add_pause(&mut tx, patient, &pause, (self.by.id, &self.by.name)).await?;
                note(&mut tx, &self.by, "pause.add", patient, &format!("pause {id}"), at).await?;
            }
        }
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use vigie_vitals::plans::default_rules;

    use super::*;

    #[test]
    fn what_is_changed_is_a_valid_rule_that_differs_from_the_shipped_one() {
        for plan in CarePlan::ALL {
            for name in changes(plan).0 {
                let shipped = default_rules(plan).into_iter().find(|(rule, _)| rule.as_str() == *name);
                let (_, shipped) = shipped.unwrap();
                let mut changed = shipped.clone();
                change(name, &mut changed).unwrap();
                assert_ne!(changed, shipped, "{name}");
                assert_eq!(changed.validate(), Ok(()), "{name}");
            }
        }
    }
}
