//! `POST /api/v1/device-certificates`: a device gets its first certificate against a claim, and the next ones against
//! the one that it has. The key was made on the device and stays there.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Answer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;
use vigie_store::Tx;
use vigie_store::audit::{self, NewEntry};
use vigie_store::certificates::{self, Claim, NewCertificate, Origin};
use vigie_store::devices::hash_secret;
use vigie_vitals::DeviceId;

use crate::access::login::{forget_attempts, reserve_attempt_of};
use crate::api::extract::Json;
use crate::app::{App, commit};
use crate::edge::RequestId;
use crate::issuer::{IssuedCertificate, Issuer};
use crate::problem::Problem;

/// Certificates of one device that are good at the same time: the one in use, its successor, and two that a device
/// asked for and lost on the way.
const GOOD_ONES_MAX: i64 = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    device: String,
    /// PKCS#10, PEM.
    request: String,
    /// For the first certificate.
    claim: Option<String>,
    /// The maker's number, if the claim is bound to one.
    serial_number: Option<String>,
    /// For the next one: the certificate that the device has, PEM ...
    certificate: Option<String>,
    /// ... and the signature by its key over the request in DER, in base 64.
    signature: Option<String>,
}

pub(crate) async fn issue(
    State(app): State<App>,
    Extension(request): Extension<RequestId>,
    Json(asked): Json<Asked>,
) -> Result<Response, Problem> {
    let Some(issuer) = app.settings().issuer.clone() else {
        return Err(Problem::unavailable(3_600).with("there is no certificate authority here"));
    };
    let well_formed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if asked.device.is_empty() || asked.device.len() > 64 || !asked.device.chars().all(well_formed) {
        return Err(Problem::bad_request("device is no device id"));
    }
    let desk =
        Desk { app, issuer, request_id: request.0, device: DeviceId(asked.device), pkcs10: asked.request };
    match (asked.claim, asked.certificate, asked.signature) {
        (Some(claim), None, None) => desk.first(&claim, asked.serial_number.as_deref()).await,
        (None, Some(certificate), Some(signature)) => desk.next(certificate, &signature).await,
        _ => Err(Problem::bad_request(
            "send a claim for the first certificate, or certificate and signature for the next one",
        )),
    }
}

/// One request of one device.
struct Desk {
    app: App,
    issuer: Arc<dyn Issuer>,
    request_id: String,
    device: DeviceId,
    pkcs10: String,
}

impl Desk {
    async fn first(self, claim: &str, serial_number: Option<&str>) -> Result<Response, Problem> {
        let now = self.app.clock().now();
        let attempts = format!("device/{}", self.device.0);
        reserve_attempt_of(&self.app, &attempts).await?;
        let hash = hash_secret(claim.trim().as_bytes());
        let mut tx = self.app.begin().await?;
        let found = certificates::claim(&mut tx, &hash).await?;
        let refusal = match &found {
            None => Some("unknown"),
            Some(found) if found.used_at.is_some() => Some("used before"),
            Some(found) if found.device != self.device => Some("of another device"),
            Some(found) if found.device_revoked => Some("device revoked"),
            Some(found) if found.expires_at <= now => Some("expired"),
            Some(found) if found.serial_number.as_deref().is_some_and(|it| Some(it) != serial_number) => {
                Some("serial number")
            }
            Some(_) => None,
        };
        if let Some(why) = refusal {
            self.refuse(tx, found.filter(|found| found.used_at.is_some()), why, now).await?;
            return Err(not_proven("the claim is unknown, used, expired, or for another device"));
        }
        let issuer = Arc::clone(&self.issuer);
        let pkcs10 = self.pkcs10.clone();
        blocking(move || issuer.check(&pkcs10)).await?.map_err(Problem::bad_request)?;
        let issued = self.hand_out(&mut tx, Origin::Claim, now).await?;
        certificates::use_claim(&mut tx, &hash, now).await?;
        forget_attempts(&mut tx, &attempts).await?;
        commit(tx).await?;
        Ok(self.answer(&issued))
    }

    /// Leaves a trace. A second use says that somebody copied the claim, or that an answer was lost.
    async fn refuse(
        &self,
        mut tx: Tx,
        used: Option<Claim>,
        why: &str,
        now: Timestamp,
    ) -> Result<(), Problem> {
        match &used {
            Some(claim) => self.audit(&mut tx, now, "device.claim_reused", &claim.device.0).await?,
            None => self.audit(&mut tx, now, "device.claim_refused", why).await?,
        }
        commit(tx).await?;
        if let Some(claim) = used {
            tracing::warn!(
                device = %claim.device.0,
                "a claim was used a second time: somebody else may have the first certificate; look at the audit trail, \
                 and revoke the device if nobody can explain it"
            );
        }
        Ok(())
    }

    async fn next(self, certificate: String, signature: &str) -> Result<Response, Problem> {
        let now = self.app.clock().now();
        let signature = STANDARD.decode(signature.split_ascii_whitespace().collect::<String>());
        let signature = signature.map_err(|_| Problem::bad_request("signature is not base 64"))?;
        let (issuer, pkcs10) = (Arc::clone(&self.issuer), self.pkcs10.clone());
        let proven = blocking(move || issuer.proven(&pkcs10, &certificate, &signature)).await?;
        let mut tx = self.app.begin().await?;
        let current = match proven.map_err(Problem::bad_request)? {
            Some(fingerprint) => certificates::find(&mut tx, &fingerprint).await?,
            None => None,
        };
        let good = current.filter(|it| it.device == self.device && !it.revoked && it.expires_at > now);
        let Some(current) = good else {
            self.audit(&mut tx, now, "device.renewal_refused", "").await?;
            commit(tx).await?;
            return Err(not_proven(
                "the certificate is not ours, expired, revoked, of another device, or its key has not signed the \
                 request in DER",
            ));
        };
        if certificates::good_ones(&mut tx, &self.device, now).await? >= GOOD_ONES_MAX {
            return Err(Problem::conflict(format!(
                "{GOOD_ONES_MAX} certificates of this device are good already; wait until one ends, or have one revoked"
            )));
        }
        tracing::debug!(device = %self.device.0, serial = %current.serial, "a certificate is being renewed");
        let issued = self.hand_out(&mut tx, Origin::Renewal, now).await?;
        commit(tx).await?;
        Ok(self.answer(&issued))
    }

    /// Signs, and notes it; nobody gets it before the commit.
    async fn hand_out(
        &self,
        tx: &mut Tx,
        origin: Origin,
        now: Timestamp,
    ) -> Result<IssuedCertificate, Problem> {
        let (issuer, device, pkcs10) = (Arc::clone(&self.issuer), self.device.0.clone(), self.pkcs10.clone());
        let issued = blocking(move || issuer.issue(&device, &pkcs10, now)).await?.map_err(|error| {
            tracing::error!(%error, "the certificate authority cannot sign");
            Problem::unavailable(60).with("the certificate authority cannot sign now")
        })?;
        let new = NewCertificate {
            fingerprint: issued.fingerprint,
            serial: &issued.serial,
            device: &self.device,
            origin,
            issued_at: now,
            expires_at: issued.expires_at,
        };
        certificates::note(tx, &new).await?;
        let action = match origin {
            Origin::Renewal => "device.certificate_renewed",
            Origin::Enrolment | Origin::Claim => "device.certificate_issued",
        };
        self.audit(tx, now, action, &issued.serial).await?;
        Ok(issued)
    }

    async fn audit(&self, tx: &mut Tx, at: Timestamp, action: &str, detail: &str) -> Result<(), Problem> {
        let entry = NewEntry {
            at,
            actor: None,
            actor_name: &self.device.0,
            action,
            patient: None,
            request_id: &self.request_id,
            detail,
        };
        Ok(audit::record(tx, entry).await?)
    }

    fn answer(&self, issued: &IssuedCertificate) -> Response {
        let answer = json!({
            "device": self.device.0,
            "certificate": issued.pem,
            "ca": issued.authority_pem,
            "serial": issued.serial,
            "expires_at": issued.expires_at,
        });
        (StatusCode::CREATED, Answer(answer)).into_response()
    }
}

fn not_proven(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "not-proven").with(detail)
}

/// Strangers may ask for signatures to be checked: that takes no more than these cores. The others wait.
static SIGNATURES: Semaphore = Semaphore::const_new(2);

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let _turn = SIGNATURES.acquire().await.map_err(|_| Problem::internal())?;
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "the certificate authority ended badly");
        Problem::internal()
    })
}
