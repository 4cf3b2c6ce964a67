//! Medical practices that receive reports, and whom they follow.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use vigie_vitals::{PatientId, TerritoryId};

use super::PracticeId;
use crate::{Error, Result, Tx};

/// How mails reach a practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Ordinary e-mail.
    Email,
    /// The French secure space for health messages: SMTP with address rules of its own.
    MsSante,
}

impl Channel {
    /// `email`, `mssante`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::MsSante => "mssante",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Email, Self::MsSante].into_iter().find(|channel| channel.as_str() == text)
    }
}

pub(super) fn channel_of(text: &str) -> Result<Channel> {
    Channel::parse(text).ok_or_else(|| Error::inconsistent(format!("channel {text}")))
}

/// A practice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Practice {
    /// Id.
    pub id: PracticeId,
    /// Its territory: it follows patients of this one only.
    pub territory: TerritoryId,
    /// Name, unique in the territory.
    pub name: String,
    /// Where reports go.
    pub address: String,
    /// How they get there.
    pub channel: Channel,
    /// `fr` or `en`.
    pub locale: String,
    /// Where a report goes when `address` refuses it.
    pub fallback_address: Option<String>,
}

/// Adds a practice. A name that is taken is `Refused` with constraint `practice_territory_id_name_key`.
pub async fn add(tx: &mut Tx, practice: &Practice, now: Timestamp) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO practice (id, territory_id, name, address, channel, locale, fallback_address, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        "#,
        practice.id.0,
        practice.territory.0,
        practice.name,
        practice.address,
        practice.channel.as_str(),
        practice.locale,
        practice.fallback_address,
        now.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Changes where reports go from now on; what is on its way already goes where it was addressed. False: no such practice.
pub async fn set_address(
    tx: &mut Tx,
    practice: PracticeId,
    address: &str,
    channel: Channel,
    fallback_address: Option<&str>,
) -> Result<bool> {
    let changed = sqlx::query!(
        "UPDATE practice SET address = $2, channel = $3, fallback_address = $4 WHERE id = $1",
        practice.0,
        address,
        channel.as_str(),
        fallback_address
    )
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// The practice follows a patient of its territory from a moment on; nothing changes when it does already. False: there
/// is no such practice, or no such patient in its territory.
pub async fn follow(tx: &mut Tx, practice: PracticeId, patient: PatientId, since: Timestamp) -> Result<bool> {
    let possible = sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM practice c JOIN patient p ON p.territory_id = c.territory_id
                       WHERE c.id = $1 AND p.id = $2) AS "possible!"
        "#,
        practice.0,
        patient.0
    )
    .fetch_one(&mut **tx)
    .await?;
    if possible {
        sqlx::query!(
            "INSERT INTO practice_patient (practice_id, patient_id, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            practice.0,
            patient.0,
            since.to_sqlx() as _
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(possible)
}

/// The practice follows the patient no longer. False: it did not.
pub async fn unfollow(
    tx: &mut Tx,
    practice: PracticeId,
    patient: PatientId,
    until: Timestamp,
) -> Result<bool> {
    let changed = sqlx::query!(
        "UPDATE practice_patient SET until = $3 WHERE practice_id = $1 AND patient_id = $2 AND until IS NULL",
        practice.0,
        patient.0,
        until.to_sqlx() as _
    )
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// All practices that one may see, by name. Under the dashboard's role those that follow, or once followed, a patient
/// whom the acting member of staff may see.
pub async fn list(tx: &mut Tx) -> Result<Vec<Practice>> {
    select(tx, None, None, None).await
}

/// The practice of this name in any territory; of several the one that was added first.
pub async fn find_by_name(tx: &mut Tx, name: &str) -> Result<Option<Practice>> {
    Ok(select(tx, Some(name), None, None).await?.into_iter().next())
}

/// One practice.
pub async fn get(tx: &mut Tx, practice: PracticeId) -> Result<Option<Practice>> {
    Ok(select(tx, None, None, Some(practice)).await?.pop())
}

/// The practices that follow a patient now, by name.
pub async fn of_patient(tx: &mut Tx, patient: PatientId) -> Result<Vec<Practice>> {
    select(tx, None, Some(patient), None).await
}

async fn select(
    tx: &mut Tx,
    name: Option<&str>,
    of: Option<PatientId>,
    only: Option<PracticeId>,
) -> Result<Vec<Practice>> {
    let rows = sqlx::query!(
        r#"
        SELECT id, territory_id, name, address, channel, locale, fallback_address FROM practice c
        WHERE ($1::text IS NULL OR name = $1) AND ($3::uuid IS NULL OR id = $3)
          AND ($2::uuid IS NULL OR EXISTS (SELECT FROM practice_patient f
                                           WHERE f.practice_id = c.id AND f.patient_id = $2 AND f.until IS NULL))
        ORDER BY name, created_at, id
        "#,
        name,
        of.map(|p| p.0),
        only.map(|p| p.0)
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Practice {
                id: PracticeId(row.id),
                territory: TerritoryId(row.territory_id),
                name: row.name,
                address: row.address,
                channel: channel_of(&row.channel)?,
                locale: row.locale,
                fallback_address: row.fallback_address,
            })
        })
        .collect()
}
