//! Everybody at once: devices that come back together, and peers that only hold sockets.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::desk::House;
use crate::device::{Connect, Device, Level};

const DEVICES: usize = 2_000;
const STALLED: usize = 1_000;

#[tokio::test]
async fn two_thousand_devices_that_come_back_at_once_are_all_admitted_a_few_at_a_time() {
    let house = House::open_with(|limits| limits.log_in_checks_max = 4).await;
    let began = Instant::now();
    let mut coming = JoinSet::new();
    for n in 0..DEVICES {
        let address = house.address;
        coming.spawn(async move {
            let level = if n % 2 == 0 { Level::V311 } else { Level::V5 };
            let (device, _, code) = Device::attempt(address, &Connect::of(level, &format!("gl-{n}"))).await;
            assert_eq!(code, 0, "device {n}");
            device
        });
    }
    let devices = coming.join_all().await;
    println!("{} devices admitted in {:?}", devices.len(), began.elapsed());
    let (at_once, all) = house.desk.read(|book| book.checks());
    assert_eq!((at_once, all), (4, DEVICES));
    assert_eq!(house.switchboard.counters().connections, 2_000);
}

#[tokio::test]
async fn a_log_in_that_finds_the_queue_full_is_told_to_come_back_and_does() {
    for (level, code) in [(Level::V311, 3), (Level::V5, 0x89)] {
        let house = House::open_with(|limits| {
            limits.log_in_checks_max = 1;
            limits.log_in_queue_max = 1;
            limits.busy_jitter = Duration::from_millis(10);
        })
        .await;
        house.desk.set_directory_holds(true);
        let address = house.address;
        let attempt =
            move |id: &'static str| async move { Device::attempt(address, &Connect::of(level, id)).await };
        let asked = tokio::spawn(attempt("gl-1"));
        house.desk.until("the directory is asked", |book| book.checks().1 == 1).await;
        // One of the two waits, the other finds the queue full.
        let mut others = JoinSet::new();
        others.spawn(attempt("gl-2"));
        others.spawn(attempt("gl-3"));
        let (sent_away, _, answer) = others.join_next().await.unwrap().unwrap();
        assert_eq!(answer, code, "{level:?}");
        house.desk.set_directory_holds(false);
        assert_eq!(asked.await.unwrap().2, 0);
        assert_eq!(others.join_next().await.unwrap().unwrap().2, 0);
        assert_eq!(house.switchboard.counters().sent_away_busy, 1);
        assert_eq!(Device::attempt(address, &Connect::of(level, &sent_away.id)).await.2, 0);
    }
}

#[tokio::test]
async fn a_device_that_gave_up_waiting_is_not_asked_about() {
    let house = House::open_with(|limits| limits.log_in_checks_max = 1).await;
    house.desk.set_directory_holds(true);
    let address = house.address;
    let asked =
        tokio::spawn(async move { Device::attempt(address, &Connect::of(Level::V5, "gl-1")).await.2 });
    house.desk.until("the directory is asked", |book| book.checks().1 == 1).await;
    let mut impatient = TcpStream::connect(address).await.unwrap();
    impatient.write_all(&Connect::of(Level::V5, "gl-2").bytes()).await.unwrap();
    house.until("it is accepted", |board| board.counters().accepted == 2).await;
    drop(impatient);
    house.desk.set_directory_holds(false);
    assert_eq!(asked.await.unwrap(), 0);
    house.until("the second is gone", |board| board.counters().refused == 1).await;
    assert_eq!(house.desk.read(|book| book.checks().1), 1);
}

/// The slowest of some round trips of a device.
async fn slowest_round_trip(device: &mut Device) -> Duration {
    let mut slowest = Duration::ZERO;
    for id in 1..=50 {
        let sent = Instant::now();
        device.publish(1, id, "reading").await;
        assert_eq!(device.expect_ack(0x40).await, (id, 0));
        slowest = slowest.max(sent.elapsed());
    }
    slowest
}

#[tokio::test]
async fn a_thousand_stalled_connects_half_open_sockets_and_slow_readers_delay_nobody_else() {
    let house = House::open().await;
    let mut good = Device::new(&house, Level::V5, "gl-good").await;
    let before = slowest_round_trip(&mut good).await;
    let mut held = Vec::new();
    for n in 0..STALLED {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        match n % 4 {
            // Half a CONNECT, nothing at all, and devices that send and never read.
            0 | 1 => {
                let connect = Connect::of(Level::V311, &format!("gl-{n}")).bytes();
                stream.write_all(&connect[..connect.len() / 2]).await.unwrap();
            }
            2 => {}
            _ => {
                stream.write_all(&Connect::of(Level::V311, &format!("gl-{n}")).bytes()).await.unwrap();
                let pings = [0xc0, 0].repeat(2_000);
                stream.write_all(&pings).await.unwrap();
            }
        }
        held.push(stream);
    }
    house
        .until("all are accepted", |board| board.counters().accepted > u64::try_from(STALLED).unwrap())
        .await;
    let during = slowest_round_trip(&mut good).await;
    let began = Instant::now();
    Device::new(&house, Level::V311, "gl-late").await;
    let log_in = began.elapsed();
    println!(
        "slowest of 50 round trips: {before:?} alone, {during:?} beside {STALLED}; a log-in: {log_in:?}"
    );
    assert!(during < Duration::from_millis(500), "{during:?}");
    assert!(log_in < Duration::from_millis(500), "{log_in:?}");
}
