//! The server under test: our listener with its open profile, in this process, or an outside one named by
//! `VIGIE_CONFORMANCE_TARGET`.

use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_util::sync::CancellationToken;
use vigie_broker::Limits;

/// `host:port` of an outside server.
pub(crate) const TARGET: &str = "VIGIE_CONFORMANCE_TARGET";

/// Where the server listens; starts ours at the first question.
pub(crate) fn address() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| match std::env::var(TARGET) {
        Ok(target) => target.to_socket_addrs().expect(TARGET).next().expect(TARGET),
        Err(_) => start_ours(),
    })
}

/// One listener for all cases of this process, in threads of its own: each case has its own client ids and topics.
fn start_ours() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            vigie_broker::open::serve_open(listener, Limits::default(), CancellationToken::new()).await;
        });
    });
    address
}

/// A name of letters and digits, at most 23 of them, that no other case and no other run uses.
pub(crate) fn unique(prefix: &str) -> String {
    static RUN: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let run = RUN.get_or_init(|| RandomState::new().hash_one(std::process::id())) & 0xffff_ffff;
    format!("{prefix}{run:08x}n{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
