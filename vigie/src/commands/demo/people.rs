//! A demo territory: two care teams, their staff, and patients with devices. All of them invented.

use anyhow::{Context, Result, anyhow};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use vigie_device_sim::{DeviceKind, Profile};
use vigie_service::{Clock, ids};
use vigie_store::devices::{NewDevice, enrol, hash_secret, take_back};
use vigie_store::setup::{NewPatient, NewStaff, add_patient, add_staff, care_team, start_plan, territory};
use vigie_store::{Database, Role, Tx};
use vigie_vitals::plans::CarePlan;
use vigie_vitals::{CareTeamId, PatientId, TerritoryId, UserId};
use vigie_wire::DeviceId;

use super::manifest::{Device, Manifest, Patient, User};
use super::past::{Member, Past, Retired, Team};
use super::practices;
use crate::commands::device::new_device_id;

const TEAMS: [&str; 2] = ["Strasbourg Nord", "Meuse rurale"];

/// role, log-in, name shown, language, teams (by place)
const STAFF: [(&str, &str, &str, &str, &[usize]); 7] = [
    ("nurse", "infirmiere", "Claire Muller, IDE", "fr", &[0]),
    ("physician", "medecin", "Dr Antoine Weber", "fr", &[0]),
    ("coordinator", "coordinatrice", "Inès Garnier", "fr", &[0, 1]),
    ("administrator", "administrateur", "Administration", "fr", &[]),
    ("technician", "technicien", "Support technique", "fr", &[]),
    ("nurse", "nurse.meuse", "Emma Carter, RN", "en", &[1]),
    ("physician", "medecin.meuse", "Dr Paul Noël", "fr", &[1]),
];

const FAMILY_NAMES: [&str; 24] = [
    "Schmitt",
    "Meyer",
    "Klein",
    "Fischer",
    "Lambert",
    "Roussel",
    "Kieffer",
    "Hoffmann",
    "Perrin",
    "Marchal",
    "Colin",
    "Gérard",
    "Antoine",
    "Wagner",
    "Thiébaut",
    "Didier",
    "Zimmermann",
    "Adam",
    "Henry",
    "Vautrin",
    "Bauer",
    "Claudel",
    "Simon",
    "Weiss",
];
const WOMEN: [&str; 12] = [
    "Madeleine",
    "Yvonne",
    "Suzanne",
    "Monique",
    "Lucienne",
    "Denise",
    "Françoise",
    "Colette",
    "Nadia",
    "Odile",
    "Aïcha",
    "Jeanne",
];
const MEN: [&str; 12] = [
    "Marcel",
    "André",
    "Roger",
    "Jean-Pierre",
    "Gilbert",
    "Bernard",
    "Lucien",
    "Karim",
    "Étienne",
    "Raymond",
    "Hervé",
    "Michel",
];

/// Two whose reports are in English: index, surname, first name of a woman and of a man.
const ENGLISH: [(u32, &str, &str, &str); 2] =
    [(4, "Bennett", "Margaret", "Arthur"), (23, "Hughes", "Eleanor", "Peter")];

/// How long before now devices are held and rules are valid where no past is made, so that the history that the
/// simulator sends belongs to somebody and is judged.
const HISTORY: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Fills a database in one transaction. The manifest's addresses and tokens are still empty.
pub(crate) async fn create(url: &str, patients: u32, seed: u64, clock: &Clock) -> Result<Manifest> {
    Ok(create_since(url, patients, seed, clock, None).await?.0)
}

/// The same for people who were there when the past began: they are watched and hold their devices since then. Tells
/// which devices were replaced meanwhile.
pub(crate) async fn create_since(
    url: &str,
    patients: u32,
    seed: u64,
    clock: &Clock,
    past: Option<&Past>,
) -> Result<(Manifest, Vec<Retired>)> {
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    let territory = territory(&mut tx, "Grand Est (démonstration)", ids::new_v7(clock)).await?;
    let mut teams = Vec::new();
    for name in TEAMS {
        teams.push(care_team(&mut tx, territory, name, ids::new_v7(clock)).await?);
    }
    let users = create_staff(&mut tx, territory, &teams, clock).await?;
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let (mut created, mut retired, mut followed) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..patients {
        let past = past.filter(|past| past.covers(index));
        let team = *teams.get(team_of(index, patients)).context("a team")?;
        let who = somebody(index, team, clock, past, &mut rng);
        let (patient, old) = create_patient(&mut tx, who, index, patients, clock, past).await?;
        followed.push((patient.id.parse()?, team_of(index, patients), index));
        created.push(patient);
        retired.extend(old);
    }
    let since = past.map_or_else(|| clock.now().checked_sub(HISTORY), |past| Ok(past.from))?;
    practices::create(&mut tx, territory, &followed, since, clock).await?;
    tx.commit().await?;
    database.close().await;
    let manifest = Manifest {
        http: String::new(),
        mqtt: String::new(),
        mqtts: String::new(),
        ws: String::new(),
        seed,
        users,
        patients: created,
    };
    Ok((manifest, retired))
}

/// The last eighth belongs to the other team: nobody of the first one may see it.
pub(crate) fn team_of(index: u32, patients: u32) -> usize {
    usize::from(patients >= 8 && index >= patients - patients / 8)
}

/// Who looks after whom, by the place of the team.
pub(crate) fn teams(manifest: &Manifest) -> Result<Vec<Team>> {
    let member = |role: &str, team: &str| {
        let user = manifest
            .users
            .iter()
            .find(|user| user.role == role && user.care_teams.iter().any(|of| of == team))
            .with_context(|| format!("{team} has no {role}"))?;
        let (.., name, language, _) =
            STAFF.iter().find(|(_, login, ..)| *login == user.login).context("an account of the demo")?;
        anyhow::Ok(Member {
            id: user.id.parse()?,
            login: user.login.clone(),
            name: (*name).to_owned(),
            english: *language == "en",
        })
    };
    TEAMS
        .iter()
        .map(|team| Ok(Team { nurse: member("nurse", team)?, physician: member("physician", team)? }))
        .collect()
}

async fn create_staff(
    tx: &mut Tx,
    territory: TerritoryId,
    teams: &[CareTeamId],
    clock: &Clock,
) -> Result<Vec<User>> {
    let mut users = Vec::new();
    for (role, login, display_name, locale, members) in STAFF {
        let password = ids::random_text::<12>();
        let staff = NewStaff {
            id: UserId(ids::new_v7(clock)),
            territory,
            login: login.into(),
            display_name: display_name.into(),
            role: role.into(),
            password_hash: vigie_dashboard_api::hash_password(&password)
                .map_err(|error| anyhow!("{error}"))?,
            locale: locale.into(),
        };
        let own: Vec<CareTeamId> = members.iter().filter_map(|place| teams.get(*place)).copied().collect();
        add_staff(tx, &staff, &own).await?;
        users.push(User {
            id: staff.id.to_string(),
            role: role.into(),
            login: login.into(),
            password,
            token: String::new(),
            care_teams: members
                .iter()
                .filter_map(|place| TEAMS.get(*place))
                .map(|t| (*t).to_owned())
                .collect(),
        });
    }
    Ok(users)
}

/// A person of the seed.
fn somebody(
    index: u32,
    care_team: CareTeamId,
    clock: &Clock,
    past: Option<&Past>,
    rng: &mut ChaCha12Rng,
) -> NewPatient {
    let woman = rng.random_bool(0.5);
    let mut given_name = (if woman { &WOMEN } else { &MEN }).choose(rng).copied().unwrap_or("Camille");
    let mut family_name = FAMILY_NAMES.choose(rng).copied().unwrap_or("Martin");
    let english = ENGLISH.iter().find(|(of, ..)| *of == index);
    if let Some((_, surname, of_woman, of_man)) = english {
        (family_name, given_name) = (surname, if woman { of_woman } else { of_man });
    }
    let now = clock.now();
    NewPatient {
        id: PatientId(ids::new_v7(clock)),
        care_team,
        identifier: format!("D{:05}", index + 1),
        family_name: family_name.into(),
        given_name: given_name.into(),
        birth_date: birth_date(rng),
        sex: if woman { "female" } else { "male" }.into(),
        language: if english.is_some() { "en" } else { "fr" }.into(),
        time_zone: "Europe/Paris".into(),
        // Without a past silence is counted from now; the history that the simulator sends comes on top.
        watched_since: past.map_or(now, |past| past.from),
    }
}

async fn create_patient(
    tx: &mut Tx,
    who: NewPatient,
    index: u32,
    patients: u32,
    clock: &Clock,
    past: Option<&Past>,
) -> Result<(Patient, Vec<Retired>)> {
    let now = clock.now();
    let (profile, plan, kinds) = plan_of(index);
    add_patient(tx, &who).await?;
    let from = past.map_or_else(|| now.checked_sub(HISTORY), |past| Ok(past.from))?;
    start_plan(tx, who.id, plan, from, from).await?;
    let (mut devices, mut retired) = (Vec::new(), Vec::new());
    let swapped = past.and_then(|past| past.swap(index));
    for kind in kinds {
        let mut held_from = from;
        if let Some(until) = swapped {
            let old = enrol_for(tx, who.id, *kind, from, from).await?;
            let id = vigie_vitals::DeviceId(old.id);
            take_back(tx, &id, until).await?;
            retired.push(Retired { index, kind: *kind, id: DeviceId::parse(id.as_str())?, until });
            held_from = until;
        }
        let enrolled_at = if past.is_some() { held_from } else { now };
        devices.push(enrol_for(tx, who.id, *kind, held_from, enrolled_at).await?);
    }
    let patient = Patient {
        id: who.id.to_string(),
        name: format!("{} {}", who.family_name, who.given_name),
        care_plan: plan.code().into(),
        care_team: TEAMS.get(team_of(index, patients)).copied().unwrap_or_default().into(),
        profile: profile.name().into(),
        devices,
        lived_until: past.map(|past| past.until),
    };
    Ok((patient, retired))
}

async fn enrol_for(
    tx: &mut Tx,
    patient: PatientId,
    kind: DeviceKind,
    held_from: Timestamp,
    enrolled_at: Timestamp,
) -> Result<Device> {
    let secret = ids::random_text::<32>();
    let device = NewDevice {
        id: new_device_id(kind),
        kind: kind.name().into(),
        secret_hash: hash_secret(secret.as_bytes()),
        patient,
        held_from,
        enrolled_at,
    };
    enrol(tx, &device).await?;
    Ok(Device { id: device.id.0, kind: device.kind, secret })
}

/// What the patient of this index is followed for, and with what.
pub(crate) fn plan_of(index: u32) -> (Profile, CarePlan, &'static [DeviceKind]) {
    match index % 6 {
        0 | 3 => (Profile::Diabetes, CarePlan::Diabetes, &[DeviceKind::Glucometer]),
        1 | 4 => (
            Profile::HeartFailure,
            CarePlan::HeartFailure,
            &[DeviceKind::Scale, DeviceKind::BloodPressureMonitor],
        ),
        2 => (Profile::OralAnticoagulation, CarePlan::OralAnticoagulation, &[DeviceKind::InrMeter]),
        _ => (Profile::DiabetesCgm, CarePlan::DiabetesCgm, &[DeviceKind::Cgm]),
    }
}

fn birth_date(rng: &mut impl Rng) -> Date {
    let youngest = jiff::civil::date(1936, 1, 1);
    youngest.checked_add(rng.random_range(0..13_000).days()).unwrap_or(youngest)
}

/// Gives every account a fresh bearer token for twelve hours.
pub(crate) async fn refresh_tokens(url: &str, manifest: &mut Manifest, clock: &Clock) -> Result<()> {
    let now = clock.now();
    let expires_at = now.checked_add(SignedDuration::from_hours(12))?;
    let database = Database::connect(url, Role::Admin, 1).await.context("connecting")?;
    let mut tx = database.begin().await?;
    for user in &mut manifest.users {
        let id: UserId = user.id.parse().context("a user's id in demo.json")?;
        user.token = vigie_dashboard_api::issue_token(&mut tx, id, expires_at, now).await?;
    }
    tx.commit().await?;
    database.close().await;
    Ok(())
}
