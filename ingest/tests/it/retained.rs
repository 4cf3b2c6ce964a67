//! The status that a device leaves retained.

use vigie_ingest::Verdict;
use vigie_wire::Channel;

use crate::{Bench, publish};

const RETAINED: &str = "SELECT convert_from(payload, 'UTF8') FROM device_retained_status";

async fn retain(bench: &Bench, payload: &str, will: bool) -> Verdict {
    let mut status = publish(Some(Channel::Status), payload.as_bytes().to_vec());
    status.will = will;
    bench.ingest.submit_retained(status).await.unwrap().verdict
}

#[tokio::test]
async fn it_is_kept_as_it_was_sent_until_another_one_or_an_empty_one_comes() {
    let bench = Bench::new().await;
    let state = "SELECT state, battery_percent FROM device_status";
    let status = r#"{"state": "online", "battery_percent":81, "colour":"blue"}"#;
    assert_eq!(retain(&bench, status, false).await, Verdict::Taken);
    assert_eq!(
        (bench.database.query(RETAINED), bench.database.query(state)),
        (vec![status.into()], vec!["online|81".into()])
    );

    // News that is not retained, and what is no status, leave it as it is.
    let news = br#"{"state":"online","battery_percent":80}"#.to_vec();
    assert_eq!(bench.raw(Channel::Status, news).await.0.verdict, Verdict::Taken);
    assert_eq!(retain(&bench, r#"{"state":"asleep"}"#, false).await, Verdict::Invalid);
    assert_eq!(
        (bench.database.query(RETAINED), bench.database.query(state)),
        (vec![status.into()], vec!["online|80".into()])
    );

    // A will says that the device is gone, whatever it says; it is retained as it was written.
    let will = r#"{"state":"online"}"#;
    assert_eq!(retain(&bench, will, true).await, Verdict::Taken);
    assert_eq!(
        (bench.database.query(RETAINED), bench.database.query(state)),
        (vec![will.into()], vec!["offline|80".into()])
    );

    assert_eq!(retain(&bench, "", false).await, Verdict::Taken);
    let kept = "SELECT count(*) FROM device_retained_status WHERE payload <> ''";
    assert_eq!(
        (bench.database.value(kept), bench.database.query(state)),
        ("0".into(), vec!["offline|80".into()])
    );
    assert_eq!(bench.database.value("SELECT count(*) FROM quarantine"), "1");
}
