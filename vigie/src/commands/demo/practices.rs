//! Medical practices of the demo, which receive the reports of the patients that they follow. Nobody reads these addresses.

use anyhow::{Context, Result};
use jiff::Timestamp;
use vigie_service::{Clock, ids};
use vigie_store::Tx;
use vigie_store::reports::PracticeId;
use vigie_store::reports::practices::{self, Channel, Practice};
use vigie_vitals::{PatientId, TerritoryId};

/// name, address, language of the reports
const PRACTICES: [(&str, &str, &str); 3] = [
    ("Cabinet médical de la Robertsau", "robertsau@demonstration.mssante.fr", "fr"),
    ("Maison de santé de Commercy", "commercy@demonstration.mssante.fr", "fr"),
    ("Clinique de Bar-le-Duc", "bar-le-duc@demonstration.mssante.fr", "en"),
];

/// Every practice follows patients of one care team, so that its team sees its summary; the last ones read English.
fn practice_of(team: usize, index: u32) -> usize {
    match (team, index) {
        (0, _) => 0,
        (_, index) => 1 + usize::from(index.is_multiple_of(2)),
    }
}

/// Adds the practices and lets them follow these patients: id, place of the care team, index.
pub(crate) async fn create(
    tx: &mut Tx,
    territory: TerritoryId,
    patients: &[(PatientId, usize, u32)],
    since: Timestamp,
    clock: &Clock,
) -> Result<()> {
    let mut added = Vec::new();
    for (name, address, locale) in PRACTICES {
        let practice = Practice {
            id: PracticeId(ids::new_v7(clock)),
            territory,
            name: name.into(),
            address: address.into(),
            channel: Channel::MsSante,
            locale: locale.into(),
            fallback_address: None,
        };
        practices::add(tx, &practice, since).await.context("a practice")?;
        added.push(practice.id);
    }
    for (patient, team, index) in patients {
        if let Some(practice) = added.get(practice_of(*team, *index)) {
            practices::follow(tx, *practice, *patient, since).await.context("following")?;
        }
    }
    Ok(())
}
