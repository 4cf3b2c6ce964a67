//! Version 5: extended authentication, for a server that offers none.

use crate::client::{Client, Connect};
use crate::wire::Level::V5;
use crate::wire::*;

cases! {
    mqtt5_4_12_0_1_an_unknown_method_is_refused => an_unknown_method_is_refused();
    mqtt5_3_1_4_2_a_failed_check_closes => an_unknown_method_is_refused();
    mqtt5_4_12_0_6_no_auth_without_a_method => no_auth_without_a_method();
    mqtt5_4_12_0_7_an_auth_without_a_method_ends_it => an_auth_without_a_method();
}

async fn an_unknown_method_is_refused() {
    let connect = Connect::new(V5).with(text_property(id::AUTHENTICATION_METHOD, "no such method"));
    let mut client = Client::dial(V5).await;
    client.send(&connect.bytes()).await;
    for packet in client.ending().await {
        let reason = packet.connack(V5).reason;
        assert!([0x8c, 0x87].contains(&reason), "CONNACK {reason:#04x}");
    }
}

async fn no_auth_without_a_method() {
    let (mut client, connack) = Connect::new(V5).answer().await;
    assert_eq!(only(&connack.properties, id::AUTHENTICATION_METHOD), None);
    client.fence().await;
}

async fn an_auth_without_a_method() {
    let body = |list: &[Property]| [vec![0x19], properties(list)].concat();
    for body in [vec![], body(&[]), body(&[text_property(id::AUTHENTICATION_METHOD, "late")])] {
        let mut client = Client::open(V5).await;
        client.send(&packet(AUTH, 0, &body)).await;
        client.closed_for(&[0x81, 0x82, 0x8c]).await;
    }
}
