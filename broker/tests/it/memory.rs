//! What an idle connection costs.

use std::fs;

use tokio_rustls::rustls::version::TLS13;

use crate::desk::House;
use crate::device::{Connect, Device, Level};
use crate::vault::{Vault, bare, connect, log_in};

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Both ends live in this process, so the number is an upper bound of what the listener needs. Ignored by
/// default because other tests of this binary move the same number; run it alone:
/// `cargo test -p vigie-broker --test it -- --ignored --nocapture idle`.
#[tokio::test]
#[ignore = "measures the whole process; run alone"]
async fn an_idle_connection_costs_less_than_12_kb() {
    let house = House::open().await;
    let mut devices = Vec::new();
    let connect = |n: usize| {
        let mut connect = Connect::of(Level::V5, &format!("device-{n}"));
        connect.keep_alive = 600;
        connect
    };
    for n in 0..500 {
        devices.push(Device::log_in(&house, &connect(n)).await);
    }
    let (count, before) = (8_000, resident_bytes());
    for n in 500..500 + count {
        devices.push(Device::log_in(&house, &connect(n)).await);
    }
    let each = (resident_bytes() - before) / count;
    println!("{each} bytes per idle connection, both ends");
    assert!(each < 12 * 1024);
}

/// The same over TLS, each device with its certificate. The client's half of TLS is thrown away once it is logged in.
#[tokio::test]
#[ignore = "measures the whole process; run alone"]
async fn an_idle_connection_over_tls_costs_less_than_20_kb() {
    let vault = Vault::new();
    let house = House::open_over(vault.carrier(), |_| {}).await;
    let (mut held, mut before, count) = (Vec::new(), 0, 2_000);
    for n in 0..count + 200 {
        if n == 200 {
            before = resident_bytes();
        }
        let id = format!("device-{n}");
        let card = vault.authority.client(&id, u64::try_from(n).unwrap() + 1, |_| {});
        let mut stream = connect(house.address, &vault.trusting(&TLS13, Some(&card))).await.unwrap();
        assert_eq!(log_in(&mut stream, &bare(Level::V5, &id)).await.unwrap(), 0);
        held.push(stream.into_inner().0);
    }
    let each = (resident_bytes() - before) / count;
    println!("{each} bytes per idle connection over TLS");
    assert!(each < 20 * 1024);
}
