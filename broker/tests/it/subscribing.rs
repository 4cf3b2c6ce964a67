//! Default-deny for what a device may hear.

use crate::desk::House;
use crate::device::{Device, Level, packet, string};

#[tokio::test]
async fn foreign_filters_are_denied_and_the_own_ones_beside_them_granted() {
    let house = House::open().await;
    let filters = [
        "vigie/v1/gl-1/receipts",
        "vigie/v1/gl-2/receipts",
        "#",
        "vigie/v1/+/commands",
        "vigie/v1/gl-1/#",
        "$share/g/vigie/v1/gl-1/receipts",
        "vigie/v1/gl-1/readings",
        "vigie/v1/gl-1/rec#",
        "vigie/v1/gl-1/commands",
    ];
    let mut old = Device::new(&house, Level::V311, "gl-1").await;
    assert_eq!(old.subscribe(2, &filters).await, [1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]);
    let mut new = Device::new(&house, Level::V5, "gl-1").await;
    assert_eq!(new.subscribe(0, &filters).await, [0, 0x87, 0x87, 0x87, 0x87, 0x87, 0x87, 0x8f, 0]);
}

#[tokio::test]
async fn unsubscribing_says_what_there_was() {
    let house = House::open().await;
    let mut device = Device::new(&house, Level::V5, "gl-1").await;
    device.subscribe(1, &["vigie/v1/gl-1/receipts"]).await;
    let filters = [string("vigie/v1/gl-1/receipts"), string("vigie/v1/gl-2/receipts")].concat();
    device.send(&packet(0xa2, &[&[0, 3, 0], &filters[..]].concat())).await;
    assert_eq!(device.expect(0xb0).await.body, [0, 3, 0, 0, 0x11]);
    device.publish(1, 1, "receipt?").await;
    assert_eq!(device.expect_ack(0x40).await, (1, 0));
    device.ping().await;
    assert!(!house.desk.read(|book| book.begun[0].wants_receipts));
}
