//! TLS below MQTT: the handshake of one connection, and certificates that change while the listener runs.
//!
//! A client certificate is optional here, so that a log-in by password stays possible. One that is presented must
//! chain to the authority of the devices, be valid now, be for clients, and not be on the revocation list;
//! `identity` then reads the device's id in it. A resumed session is not verified again by rustls, so we do it:
//! a certificate that was revoked or ran out since does not live on in a session ticket.

mod files;
mod identity;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::ProducesTickets;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use tokio_rustls::rustls::{Error as RustlsError, HandshakeKind, crypto::ring::Ticketer};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use files::{Contents, Terms};
pub use files::{TlsError, TlsFiles};
pub(crate) use identity::{Certified, Peer};

/// The TLS side of listeners. Cheap to clone; clones change together.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    files: TlsFiles,
    /// One for all versions of the files: a client resumes its session over a renewal of our certificate.
    ticketer: Arc<dyn ProducesTickets>,
    terms: watch::Sender<Arc<Terms>>,
}

impl fmt::Debug for Tls {
    /// The files' names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.0.files).finish()
    }
}

/// A handshake that did not come to a connection.
pub(crate) struct Failed {
    pub(crate) why: String,
    /// Was it the certificate? Somebody then looks for the reason.
    pub(crate) certificate: bool,
}

impl Tls {
    /// Reads the files; they must be right now. [`Tls::keep_fresh`] reads them again.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let ticketer = Ticketer::new().map_err(|error| TlsError::new("session tickets", &error))?;
        let contents = Contents::read(&files)?;
        let terms = Arc::new(contents.terms(&files, &ticketer)?);
        Ok(Self(Arc::new(Inner { files, ticketer, terms: watch::Sender::new(terms) })))
    }

    /// Reads the files again and again, and offers new connections what is in them. Files that cannot be used
    /// change nothing: what was in force stays in force, and one WARN says why.
    pub async fn keep_fresh(self, every: Duration, stop: CancellationToken) {
        let mut looks = interval(every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut complaint: Option<String> = None;
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = stop.cancelled() => return,
            }
            match self.look().await {
                Ok(changed) => {
                    if changed {
                        info!("the TLS files have changed; new connections get what is in them");
                    }
                    complaint = None;
                }
                Err(error) => {
                    let error = error.to_string();
                    if complaint.as_deref() != Some(&error) {
                        warn!(
                            "the TLS files have changed and cannot be used; the old ones stay in force: {error}"
                        );
                    }
                    complaint = Some(error);
                }
            }
        }
    }

    async fn look(&self) -> Result<bool, TlsError> {
        let this = self.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let inner = &this.0;
            let contents = Contents::read(&inner.files)?;
            if inner.terms.borrow().contents == contents {
                return Ok(false);
            }
            let terms = Arc::new(contents.terms(&inner.files, &inner.ticketer)?);
            inner.terms.send_replace(terms);
            Ok(true)
        });
        looking.await.map_err(|error| TlsError::new("reading", &error))?
    }

    /// The handshake of one connection. Bounded by the caller.
    pub(crate) async fn shake_hands<S>(&self, stream: S) -> Result<(TlsStream<S>, Peer), Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let terms = Arc::clone(&self.0.terms.borrow());
        let acceptor = TlsAcceptor::from(Arc::clone(&terms.config));
        let stream = acceptor.accept(stream).await.map_err(|error| Failed::from(&error))?;
        let (_, session) = stream.get_ref();
        let Some(chain) = session.peer_certificates().filter(|chain| !chain.is_empty()) else {
            return Ok((stream, Peer::Unproven));
        };
        if session.handshake_kind() == Some(HandshakeKind::Resumed) {
            verify_again(terms.verifier.as_ref(), chain).map_err(|error| Failed::from(&error))?;
        }
        let peer = chain.first().map_or(Peer::Unproven, |certificate| Peer::of(certificate));
        Ok((stream, peer))
    }
}

fn verify_again(
    verifier: Option<&Arc<dyn ClientCertVerifier>>,
    chain: &[CertificateDer<'_>],
) -> Result<(), RustlsError> {
    let (Some(verifier), Some((certificate, between))) = (verifier, chain.split_first()) else {
        return Err(RustlsError::NoCertificatesPresented);
    };
    // The clock of the TLS library, by which it judges certificates in a full handshake.
    let now = DefaultTimeProvider.current_time().ok_or(RustlsError::FailedToGetCurrentTime)?;
    verifier.verify_client_cert(certificate, between, now).map(|_| ())
}

impl From<&RustlsError> for Failed {
    fn from(error: &RustlsError) -> Self {
        let certificate =
            matches!(error, RustlsError::InvalidCertificate(_) | RustlsError::NoCertificatesPresented);
        Self { why: error.to_string(), certificate }
    }
}

impl From<&io::Error> for Failed {
    fn from(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>()) {
            Some(inner) => Self::from(inner),
            None => Self { why: error.to_string(), certificate: false },
        }
    }
}
