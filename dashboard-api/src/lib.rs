//! HTTP: JSON API, live events and the pages of nurses and physicians.
//!
//! - Everything that a member of staff sees is read inside `Database::begin_as`, so row-level security in
//!   PostgreSQL decides, not a handler. A patient whom one may not see is 404.
//! - Every route is a row of one table ([`routes`](self)) that says who may use it: a route without an answer
//!   cannot be written.
//! - Reading or changing patient data writes its audit line in the same transaction.
//! - Live events are numbered in commit order; a browser that was away asks for what it missed.

mod access;
mod api;
mod app;
mod device_work;
mod edge;
mod intake;
mod issuer;
mod live;
mod pages;
mod problem;
mod reports;
mod routes;
mod sentence;
mod text;
mod work;
mod worklist;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use access::password::hash_password;
pub use access::session::issue_token;
pub use app::{App, Settings};
pub use intake::{Intake, IntakeLimits, IntakeUnavailable, Pending, ReadingIntake, SentBatch, TakenBatch};
pub use issuer::{IssuedCertificate, Issuer, IssuerError};
pub use routes::{Access, RouteInfo, route_list, router};

/// Serves pages and API until `shutdown`; then lets running requests end and tells followers that the
/// stream closes.
pub async fn serve(listener: TcpListener, app: App, shutdown: CancellationToken) -> std::io::Result<()> {
    let poller = tokio::spawn(live::poll(app.clone(), shutdown.clone()));
    let stop = shutdown.clone();
    let closing = app.clone();
    let served = axum::serve(listener, router(app))
        .with_graceful_shutdown(async move {
            stop.cancelled().await;
            closing.close_streams();
        })
        .await;
    shutdown.cancel();
    if let Err(error) = poller.await {
        tracing::error!(%error, "the poller of the event stream ended badly");
    }
    served
}
