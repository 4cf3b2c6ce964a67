//! `vigie conformance-broker`: the open profile of the listener, for conformance suites written for ordinary MQTT
//! servers. No database, no devices, no data.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vigie_broker::{Limits, serve_open};

use super::answer;
use crate::services::stop_signal;
use crate::usage::usage;

/// Options of `vigie conformance-broker`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen; a loopback address, since anybody may do anything there. Port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    listen: SocketAddr,
}

/// Serves until told to stop.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let address = arguments.listen;
    if !address.ip().is_loopback() {
        return Err(usage(format!(
            "--listen {address} is no loopback address; the conformance broker lets anybody in, so it stays on this machine"
        )));
    }
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    answer(&format!("listening on {}", listener.local_addr()?))?;
    let shutdown = CancellationToken::new();
    let serving = serve_open(listener, Limits::default(), shutdown.clone());
    let stopping = async {
        let signal = stop_signal().await;
        shutdown.cancel();
        signal
    };
    let ((), signal) = tokio::join!(serving, stopping);
    signal?;
    Ok(ExitCode::SUCCESS)
}
