//! A device that is asked to send again what it has.

use rumqttc::{AsyncClient, MqttOptions, QoS};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vigie_device_sim::{DeviceKind, FaultSwitches, SimConfig, run};
use vigie_wire::{Channel, Topic, decode_batch};

use crate::mosquitto::{Broker, Heard, listen};
use crate::simulation::{PATIENCE, collect, config, hear_until, patients};

/// How often each reading was heard, in the order of the numbers.
fn times_heard(heard: &[Heard]) -> Vec<usize> {
    let mut times = Vec::new();
    for message in heard {
        let Channel::Readings(encoding) = Topic::parse(&message.topic).unwrap().channel else { continue };
        for reading in decode_batch(encoding, &message.payload, 0).unwrap().readings {
            let place = usize::try_from(reading.unwrap().sequence).unwrap() - 1;
            times.resize(times.len().max(place + 1), 0);
            times[place] += 1;
        }
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_from_the_number_on_comes_once_more_with_the_same_content_and_nothing_below_it() {
    let broker = Broker::start().await;
    let mut ear = listen(broker.port).await;
    let mut one = patients();
    one.truncate(1);
    one[0].devices.retain(|device| device.kind == DeviceKind::Glucometer);
    let topic = format!("vigie/v1/{}/commands", one[0].devices[0].id);
    let config = SimConfig {
        patients: one,
        faults: FaultSwitches::none(),
        // It stays connected after its fortnight.
        until: None,
        live_hours: 0,
        ..config(broker.address())
    };
    let stop = CancellationToken::new();
    let simulation = tokio::spawn(run(config, stop.clone()));
    let mut heard = hear_until(&mut ear, |heard| collect(heard).len() >= 30).await;
    let before = times_heard(&heard);
    assert!(before.iter().all(|times| *times == 1), "{before:?}");
    let count = before.len();

    let (client, mut events) = AsyncClient::new(MqttOptions::new("staff", "127.0.0.1", broker.port), 10);
    let command = format!(r#"{{"command_id":"7","kind":"send_again","from_sequence":{}}}"#, count - 4);
    client.publish(topic, QoS::AtLeastOnce, false, command).await.unwrap();
    let sending = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let again = hear_until(&mut ear, |more| {
        let more = times_heard(more);
        more.len() >= count && more[count - 5..count].iter().all(|times| *times == 1)
    })
    .await;
    heard.extend(again);
    // Checks on the way that one number has one content.
    collect(&heard);
    let times = times_heard(&heard);
    assert_eq!((&times[..count - 5], &times[count - 5..count]), (&vec![1; count - 5][..], &[2; 5][..]));
    stop.cancel();
    sending.abort();
    let summary = timeout(PATIENCE, simulation).await.unwrap().unwrap().unwrap();
    assert!(summary.sent_again >= 5, "{summary}");
}
