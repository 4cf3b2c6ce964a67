//! mosquitto_pub: MQTT 3.1.1 from the command line.

use std::process::Output;

use tokio::process::Command;

use super::house::Enrolled;

/// Publishes a JSON batch at QoS 1. It ends well once the PUBACK has come.
pub(crate) async fn mosquitto_pub(port: u16, device: &Enrolled, batch: &str) -> Output {
    let topic = format!("vigie/v1/{}/readings/json", device.id);
    let port = port.to_string();
    Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port, "-V", "311", "-q", "1", "-d"])
        .args(["-i", &device.id, "-u", &device.id, "-P", &device.secret, "-t", &topic, "-m", batch])
        .output()
        .await
        .expect("mosquitto_pub is installed (Debian package mosquitto-clients; scripts/setup.sh test)")
}
