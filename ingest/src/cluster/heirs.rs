//! Who reads from the session of a process that is gone for good?
//!
//! Its session holds what it had not acknowledged. Mosquitto goes on putting a share of the new messages there, too:
//! it deals shared messages out in turn, whether or not their reader is connected. So another process connects under
//! the client id of the one that is silent and reads on until the owner is back: the cluster then hands the session to
//! the owner and ends the heir's connection, as MQTT says. An heir never connects twice, so that the two cannot throw
//! each other out in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vigie_store::devices;

use super::signs::{INHERITED, OWN};
use super::source::Shared;

/// How often silent sessions are looked for. One is taken over at the second look, so that a database that was away for
/// everybody, and is back, gives owners the time to beat.
const LOOK: Duration = Duration::from_secs(5);

/// Beats come every 5 s.
const SILENT: SignedDuration = SignedDuration::from_secs(30);

/// Sessions read at once beside one's own. What is beyond waits for another process.
const SESSIONS_MAX: usize = 8;

const TOO_MANY: &str = "more sessions are silent than this process may take over; what the cluster puts into the others \
                        waits there: start their processes again, each under a name that stays";

/// After a session that could not be kept (the owner is back, or the cluster does not allow it).
const PAUSE: Duration = Duration::from_secs(60);

/// Takes silent sessions over until `stop`.
pub(super) async fn watch(shared: Shared, stop: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut reading = JoinSet::new();
    let mut held = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut told = false;
    let mut pauses: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            Some(Ok(session)) = reading.join_next() => {
                held.remove(&session);
                pauses.insert(session, Instant::now() + PAUSE);
                continue;
            }
            () = stop.cancelled() => break,
        }
        pauses.retain(|_, until| *until > Instant::now());
        let silent = match silent(&shared).await {
            Ok(silent) => silent,
            Err(error) => {
                tracing::info!(%error, "it is not known now which sessions are silent");
                seen.clear();
                continue;
            }
        };
        for session in silent.intersection(&seen) {
            let Some(client_id) = session.strip_suffix(&shared.settings.place()) else { continue };
            if held.contains(session) || pauses.contains_key(session) {
                continue;
            }
            if held.len() >= SESSIONS_MAX {
                if !told {
                    tracing::error!(session, most = SESSIONS_MAX, "{}", TOO_MANY);
                }
                told = true;
                break;
            }
            tracing::warn!(
                session,
                "its process is silent; this one reads from its session until it is back"
            );
            held.insert(session.clone());
            let (shared, stop) = (shared.clone(), stop.clone());
            let (session, client_id) = (session.clone(), client_id.to_owned());
            reading.spawn(async move {
                shared.inherit(client_id, stop).await;
                session
            });
        }
        seen = silent;
    }
    // Each of them acknowledges what it has stored.
    while reading.join_next().await.is_some() {}
}

/// Sessions in this cluster that nobody reads from, and that the cluster still keeps.
async fn silent(shared: &Shared) -> vigie_store::Result<BTreeSet<String>> {
    let now = shared.clock.now();
    let kept = SignedDuration::try_from(shared.settings.session_expiry).unwrap_or(SignedDuration::MAX);
    let from = now.saturating_sub(kept).unwrap_or(now);
    let until = now.saturating_sub(SILENT).unwrap_or(now);
    let most = i64::try_from(SESSIONS_MAX * 4).unwrap_or(i64::MAX);
    let mut tx = shared.database.begin().await?;
    let found = devices::silent_instances(&mut tx, &[OWN, INHERITED], from, until, most).await?;
    tx.commit().await.map_err(vigie_store::Error::from)?;
    let own = shared.settings.session();
    let place = shared.settings.place();
    Ok(found.into_iter().filter(|session| *session != own && session.ends_with(&place)).collect())
}
