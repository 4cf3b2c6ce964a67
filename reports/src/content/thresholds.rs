//! The rules in force in the week: as lines of a table, and as limits of a chart.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use vigie_charts::{Limit, LimitStep, Severity, Side as ChartSide};
use vigie_service::hexadecimal;
use vigie_vitals::metrics::Period;
use vigie_vitals::{Level, LimitRule, Priority, RuleId, RuleSpec, RuleVersion, Side, Unit, Vital};

use super::ThresholdLine;
use super::frame::{Frame, overlap};

/// A version of a rule and how long it was in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct InForce<'a> {
    pub(super) version: &'a RuleVersion,
    /// From here,
    pub(super) from: Timestamp,
    /// until the next version, if there is one.
    pub(super) until: Option<Timestamp>,
}

/// All versions known at a moment, in order of rule and of coming into force. Of versions that are valid from the same
/// moment the highest stands, as for the engine.
pub(super) fn known(rules: &[RuleVersion], known_at: Timestamp) -> Vec<InForce<'_>> {
    let mut versions: Vec<&RuleVersion> = rules.iter().filter(|v| v.recorded_at <= known_at).collect();
    versions.sort_by_key(|v| (&v.rule, v.valid_from, v.version));
    let mut in_force = Vec::with_capacity(versions.len());
    for of_rule in versions.chunk_by(|a, b| a.rule == b.rule) {
        let ends = of_rule.iter().skip(1).map(|next| Some(next.valid_from)).chain([None]);
        in_force.extend(
            of_rule
                .iter()
                .zip(ends)
                .map(|(version, until)| InForce { version, from: version.valid_from, until })
                .filter(|stretch| stretch.until.is_none_or(|until| stretch.from < until)),
        );
    }
    in_force
}

impl InForce<'_> {
    /// Was it in force at some time of a period?
    pub(super) fn touches(&self, period: Period) -> bool {
        overlap(self.from, self.until.unwrap_or(Timestamp::MAX), period)
    }
}

/// One line for each version in force at some time of the week.
pub(super) fn lines(known: &[InForce<'_>], frame: &Frame) -> Vec<ThresholdLine> {
    known
        .iter()
        .filter(|stretch| stretch.touches(frame.whole))
        .map(|stretch| ThresholdLine {
            rule: stretch.version.rule.clone(),
            version: stretch.version.version,
            spec: stretch.version.spec.clone(),
            author: stretch.version.author.clone(),
            reason: stretch.version.reason.clone(),
            valid_from: stretch.from,
            valid_until: stretch.until.filter(|until| *until < frame.whole.to),
            changed: frame.whole.contains(stretch.from),
        })
        .collect()
}

/// The lines that took the place of another version of their rule within the week.
pub(super) fn changes(lines: &[ThresholdLine]) -> Vec<&ThresholdLine> {
    let replaced = |line: &&ThresholdLine| {
        lines.iter().any(|other| other.rule == line.rule && other.valid_until == Some(line.valid_from))
    };
    lines.iter().filter(|line| line.changed).filter(replaced).collect()
}

/// SHA-256 over the lines, hexadecimal. It names the rules as a whole: equal exactly when every line is.
pub(super) fn digest(lines: &[ThresholdLine]) -> String {
    // Rules are ordered and their maps are BTreeMaps, so the same rules are the same bytes.
    let bytes = serde_json::to_vec(lines).unwrap_or_default();
    hexadecimal(&Sha256::digest(&bytes))
}

/// The limits of a vital sign over a period in one unit, each at the value that was in force at the time.
pub(super) fn limits(known: &[InForce<'_>], vital: Vital, unit: Unit, period: Period) -> Vec<Limit> {
    let mut limits: BTreeMap<(&RuleId, usize), Limit> = BTreeMap::new();
    let limit_rule = |stretch: &InForce<'_>| match &stretch.version.spec {
        RuleSpec::Limit(rule) if rule.vital == vital => stretch.touches(period),
        RuleSpec::Limit(_) | RuleSpec::Change(_) | RuleSpec::Silence(_) => false,
    };
    let stretches: Vec<&InForce<'_>> = known.iter().filter(|stretch| limit_rule(stretch)).collect();
    for stretch in &stretches {
        let RuleSpec::Limit(rule) = &stretch.version.spec else { continue };
        for (index, level) in rule.levels.iter().enumerate() {
            let limit = limits.entry((&stretch.version.rule, index)).or_insert_with(|| Limit {
                side: side(rule.side),
                severity: severity(level.priority),
                steps: Vec::new(),
            });
            limit.severity = severity(level.priority);
            limit
                .steps
                .push(LimitStep { from: stretch.from.max(period.from), value: threshold(level, unit) });
        }
        // A level that an earlier version had and this one has not ends here.
        for ((rule_id, index), limit) in &mut limits {
            if *rule_id == &stretch.version.rule && *index >= rule.levels.len() {
                limit.steps.push(LimitStep { from: stretch.from.max(period.from), value: None });
            }
        }
    }
    limits.into_values().filter(|limit| limit.steps.iter().any(|step| step.value.is_some())).collect()
}

fn threshold(level: &Level, unit: Unit) -> Option<Decimal> {
    level.threshold.get(&unit).copied()
}

/// The mildest limit of one side of a vital sign at a moment: where its target ends.
pub(super) fn mildest(
    known: &[InForce<'_>],
    vital: Vital,
    side: Side,
    unit: Unit,
    at: Timestamp,
) -> Option<Decimal> {
    let rule = |stretch: &&InForce<'_>| {
        stretch.from <= at
            && stretch.until.is_none_or(|until| at < until)
            && is(stretch, vital, side).is_some()
    };
    let stretch = known.iter().find(rule)?;
    is(stretch, vital, side)?.levels.first().and_then(|level| threshold(level, unit))
}

fn is<'a>(stretch: &InForce<'a>, vital: Vital, side: Side) -> Option<&'a LimitRule> {
    match &stretch.version.spec {
        RuleSpec::Limit(rule) if rule.vital == vital && rule.side == side => Some(rule),
        RuleSpec::Limit(_) | RuleSpec::Change(_) | RuleSpec::Silence(_) => None,
    }
}

fn side(side: Side) -> ChartSide {
    match side {
        Side::Low => ChartSide::Low,
        Side::High => ChartSide::High,
    }
}

/// How a priority is drawn.
pub(super) fn severity(priority: Priority) -> Severity {
    match priority {
        Priority::Technical => Severity::Technical,
        Priority::Low => Severity::Low,
        Priority::Medium => Severity::Medium,
        Priority::High => Severity::High,
    }
}
