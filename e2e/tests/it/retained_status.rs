//! The status that a device left retained comes back to it, from the real listener and the real database.

use std::process::Output;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use vigie_e2e::demo::Demo;
use vigie_e2e::waiting::until;

use crate::actors::house::PATIENCE;

/// mosquitto_sub ends with this when nothing came in the time given.
const NOTHING_CAME: i32 = 27;

/// One device of a demo, as the mosquitto tools know it.
struct Mosquitto {
    port: String,
    id: String,
    secret: String,
}

impl Mosquitto {
    fn of(demo: &Demo) -> Self {
        let manifest = demo.manifest();
        let device = &manifest.patients[0].devices[0];
        let port = manifest.mqtt.rsplit(':').next().unwrap().to_owned();
        Self { port, id: device.id.clone(), secret: device.secret.clone() }
    }

    fn topic(&self) -> String {
        format!("vigie/v1/{}/status", self.id)
    }

    fn tool(&self, name: &str, version: &str) -> Command {
        let mut tool = Command::new(name);
        tool.args(["-h", "127.0.0.1", "-p", &self.port, "-V", version, "-q", "1"]);
        tool.args(["-i", &self.id, "-u", &self.id, "-P", &self.secret, "-t", &self.topic()]);
        tool
    }

    async fn publish(&self, arguments: &[&str]) {
        let output = self.tool("mosquitto_pub", "5").args(arguments).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// The first message on its own status, as `<retain flag> <payload>`; nothing where none comes.
    async fn heard(&self, version: &str, arguments: &[&str]) -> Option<String> {
        let mut tool = self.tool("mosquitto_sub", version);
        let output: Output =
            tool.args(["-C", "1", "-W", "3", "-F", "%r %p"]).args(arguments).output().await.unwrap();
        if output.status.code() == Some(NOTHING_CAME) {
            return None;
        }
        assert!(output.status.success(), "{output:?}");
        Some(String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    }
}

async fn start(folder: &tempfile::TempDir) -> Demo {
    Demo::start(folder.path(), &["--no-sim", "--past-days", "0", "--patients", "2"]).await.unwrap()
}

#[tokio::test]
async fn a_retained_status_comes_back_byte_for_byte_after_a_restart_until_it_is_taken_away() {
    let folder = tempfile::Builder::new().prefix("vigie-retained-").tempdir().unwrap();
    let demo = start(&folder).await;
    let device = Mosquitto::of(&demo);
    assert_eq!(device.heard("5", &[]).await, None, "nothing was retained yet");
    // With a field and a space that mean nothing to us.
    let status = r#"{"state": "online","battery_percent":81,"colour":"blue"}"#;
    device.publish(&["-r", "-m", status]).await;
    device.publish(&["-m", r#"{"state":"online","battery_percent":80}"#]).await;
    let retained = Some(format!("1 {status}"));
    assert_eq!(device.heard("5", &[]).await, retained, "what was not retained does not replace it");
    demo.finish(&[]).await.unwrap();

    let demo = start(&folder).await;
    let device = Mosquitto::of(&demo);
    for version in ["5", "311"] {
        assert_eq!(device.heard(version, &[]).await, retained, "MQTT {version}");
    }
    assert_eq!(device.heard("5", &["--retain-as-published"]).await, retained);

    device.publish(&["-r", "-n"]).await;
    assert_eq!(device.heard("5", &[]).await, None, "taken away");
    demo.finish(&[]).await.unwrap();
}

#[tokio::test]
async fn a_last_will_that_is_retained_takes_the_place_of_the_status() {
    let folder = tempfile::Builder::new().prefix("vigie-retained-").tempdir().unwrap();
    let demo = start(&folder).await;
    let device = Mosquitto::of(&demo);
    device.publish(&["-r", "-m", r#"{"state":"online"}"#]).await;
    let will = json!({ "state": "offline", "firmware": "1.2" }).to_string();
    let mut tool = device.tool("mosquitto_sub", "5");
    tool.args(["--will-topic", &device.topic(), "--will-payload", &will, "--will-retain", "--will-qos", "1"]);
    let mut child =
        tool.args(["-F", "%r %p"]).stdout(std::process::Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), r#"1 {"state":"online"}"#);
    // Gone without a goodbye.
    child.kill().await.unwrap();
    let offline = async || (device.heard("5", &[]).await? == format!("1 {will}")).then_some(());
    until(PATIENCE, offline).await.expect("the will is retained");
    demo.finish(&[]).await.unwrap();
}
