//! What a corrected report says of the one that it replaces.

use std::collections::BTreeSet;

use super::frame::Frame;
use super::measured::Measured;
use super::{Correction, CorrectionOf, MetricChange, Metrics};

/// Numbers closer than this are the same: reading a report back may cost the last digit.
const SAME: f64 = 1e-9;

/// Compares with the version before.
pub(super) fn correction(
    of: &CorrectionOf,
    metrics: &Metrics,
    measured: &Measured<'_>,
    frame: &Frame,
) -> Correction {
    let unknown =
        |stored: &&&vigie_store::patients::StoredReading| stored.reading.received_at > of.replaces.known_at;
    let added: BTreeSet<_> =
        measured.received(frame.whole).iter().filter(unknown).map(|stored| &stored.reading.key).collect();
    Correction {
        of_version: of.replaces.version,
        known_at_before: of.replaces.known_at,
        author: of.author.clone(),
        reason: of.reason.clone(),
        changes: changes(&of.replaces.metrics, metrics),
        readings_added: added.len(),
    }
}

/// The numbers that differ, by group and name.
fn changes(before: &Metrics, after: &Metrics) -> Vec<MetricChange> {
    let names = |metrics: &Metrics| -> BTreeSet<(String, String)> {
        let pairs = metrics.iter().flat_map(|(group, named)| named.keys().map(move |name| (group, name)));
        pairs.map(|(group, name)| (group.clone(), name.clone())).collect()
    };
    let value = |metrics: &Metrics, group: &str, name: &str| metrics.get(group)?.get(name)?.value;
    names(before)
        .union(&names(after))
        .map(|(group, name)| MetricChange {
            group: group.clone(),
            name: name.clone(),
            before: value(before, group, name),
            after: value(after, group, name),
        })
        .filter(|change| differ(change.before, change.after))
        .collect()
}

fn differ(before: Option<f64>, after: Option<f64>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => (before - after).abs() > SAME * before.abs().max(1.0),
        (None, None) => false,
        (Some(_), None) | (None, Some(_)) => true,
    }
}
