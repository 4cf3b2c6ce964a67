//! `POST /api/v1/devices/{id}/readings`: a gateway without MQTT sends a batch and gets its receipt, after the commit.

use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::api::extract::Id;
use crate::app::App;
use crate::edge::RequestId;
use crate::intake::{Full, Intake, Room, SentBatch, TakenBatch};
use crate::problem::Problem;

/// What a device is asked for.
const CHALLENGE: &str = "Basic realm=\"Vigie devices\", charset=\"UTF-8\"";
/// Longest `Authorization` that is looked at: an id of 64 characters and a secret, with room.
const AUTHORIZATION_BYTES_MAX: usize = 1_024;
/// Of a body that is too large so much is read and thrown away, for so long: many clients read no answer before they
/// have sent everything.
const THROWN_AWAY_MAX: usize = 8 * 1024 * 1024;
const THROWN_AWAY_WITHIN: Duration = Duration::from_secs(5);
/// Seconds after which trying again makes sense.
const RETRY_SOON: u64 = 2;
const RETRY_LATER: u64 = 10;

/// Takes a batch of the device that logs in with this very request.
pub(crate) async fn take(
    State(app): State<App>,
    Extension(request_id): Extension<RequestId>,
    Id(id): Id<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    // Before anybody is asked: who shows another device's name than the path's is refused whatever the secret.
    let (device, secret) =
        credentials(&parts.headers).filter(|(device, _)| *device == id).ok_or_else(not_admitted)?;
    let intake = app.settings().intake.clone().ok_or_else(|| {
        Problem::unavailable(3_600).with("readings are not taken over HTTP here; send them over MQTT")
    })?;
    log_in(&intake, &device, &secret).await?;
    let content_type = content_type(&intake, &parts.headers)?;
    let room = intake.room(&device).map_err(|full| match full {
        Full::Device => Problem {
            retry_after: Some(RETRY_SOON),
            ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests")
        }
        .with(format!(
            "{} batches of this device are under way; send the next one when one is answered",
            intake.limits.batches_per_device_max
        )),
        Full::Everybody => Problem::unavailable(RETRY_SOON).with("too many batches are under way"),
    })?;
    let payload = read(&intake, &parts.headers, body).await?;
    let taken = store(&intake, room, SentBatch { device, content_type, payload }).await?;
    tracing::debug!(request_id = %request_id.0, taken = taken.taken, "a batch came over HTTP");
    Ok(answer(taken))
}

/// Device id and secret, if the request has them.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if value.len() > AUTHORIZATION_BYTES_MAX {
        return None;
    }
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (device, secret) = decoded.split_at_checked(colon)?;
    Some((String::from_utf8(device.to_vec()).ok()?, secret.get(1..)?.to_vec()))
}

fn not_admitted() -> Problem {
    Problem { challenge: Some(CHALLENGE), ..Problem::new(StatusCode::UNAUTHORIZED, "device-not-admitted") }
        .with("log in with HTTP Basic: the device id of the path, and its secret")
}

/// The secret is looked at with every request, so a device that is revoked is out at once.
async fn log_in(intake: &Intake, device: &str, secret: &[u8]) -> Result<(), Problem> {
    let busy =
        || Problem::unavailable(RETRY_SOON).with("the log-in cannot be checked now; nothing was taken");
    let waiting = intake.checks_waiting.clone().try_acquire_owned().map_err(|_| busy())?;
    let (checks, asked) = (intake.checks.clone(), intake.inner.admits(device, secret));
    // A task of its own: giving up must not drop a transaction half way, nor make room while it lasts.
    let checked = tokio::spawn(async move {
        let _turn = checks.acquire_owned().await.ok()?;
        drop(waiting);
        asked.await.ok()
    });
    let admitted = timeout(intake.limits.check_patience, checked).await.map_err(|_| busy())?;
    match admitted.map_err(|error| ended_badly(&error))? {
        Some(true) => Ok(()),
        Some(false) => Err(not_admitted()),
        None => Err(busy()),
    }
}

fn content_type(intake: &Intake, headers: &HeaderMap) -> Result<String, Problem> {
    let refused = |detail: &str| {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type").with(detail)
    };
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if text(header::CONTENT_ENCODING).is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
        return Err(refused("a Content-Encoding is not read: send the batch as it is"));
    }
    text(header::CONTENT_TYPE).filter(|it| intake.inner.reads(it)).map(str::to_owned).ok_or_else(|| {
        refused(
            "a batch has the Content-Type application/json, application/x-protobuf, application/senml+json or \
             application/senml+cbor",
        )
    })
}

async fn read(intake: &Intake, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let most = intake.inner.payload_bytes_max();
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut chunks = body.into_data_stream();
    let too_large = announced.is_some_and(|announced: usize| announced > most);
    let mut payload = Vec::with_capacity(if too_large { 0 } else { announced.unwrap_or(0) });
    let complete = async {
        if too_large {
            return Ok::<_, Problem>(false);
        }
        while let Some(chunk) = chunks.next().await {
            let chunk =
                chunk.map_err(|error| Problem::bad_request(format!("the body broke off: {error}")))?;
            if payload.len() + chunk.len() > most {
                return Ok(false);
            }
            payload.extend_from_slice(&chunk);
        }
        Ok(true)
    };
    let complete = timeout(intake.limits.body_patience, complete).await.map_err(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow")
            .with("the body was not complete in time; nothing was taken")
    })?;
    if complete? {
        return Ok(payload.into());
    }
    // Also when it does not come to its end: the answer is the same.
    let thrown_away = async {
        let mut bytes = payload.len();
        while let Some(Ok(chunk)) = chunks.next().await {
            bytes += chunk.len();
            if bytes > THROWN_AWAY_MAX {
                break;
            }
        }
    };
    if timeout(THROWN_AWAY_WITHIN, thrown_away).await.is_err() {
        tracing::debug!("a body that is too large did not end in time");
    }
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large")
        .with(format!("a batch has at most {most} bytes; nothing was taken: send it in parts")))
}

/// Waits for the commit. The room is taken until the outcome is there, also when nobody waits for it any more: what is
/// sent again and again while the database is away must not pile up.
async fn store(intake: &Intake, room: Room, sent: SentBatch) -> Result<TakenBatch, Problem> {
    let not_known = || {
        Problem::unavailable(RETRY_LATER)
            .with("it is not known whether the batch is stored: keep it, and send the same bytes again")
    };
    let stored = intake.inner.take(sent);
    let stored = tokio::spawn(async move {
        let taken = stored.await;
        drop(room);
        taken
    });
    let taken = timeout(intake.limits.commit_patience, stored).await.map_err(|_| not_known())?;
    taken.map_err(|error| ended_badly(&error))?.ok_or_else(not_known)
}

fn ended_badly(error: &tokio::task::JoinError) -> Problem {
    tracing::error!(%error, "taking a batch over HTTP ended badly");
    Problem::internal()
}

fn answer(taken: TakenBatch) -> Response {
    let mut response = Response::new(Body::from(taken.receipt));
    *response.status_mut() = if taken.taken { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(taken.content_type));
    response
}
