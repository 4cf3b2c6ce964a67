//! What a newcomer sees of `make demo` on a built tree.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use thirtyfour::By;
use vigie_e2e::demo::Demo;

use crate::actors::browser::Browser;
use crate::actors::house::machine_to_oneself;

/// From the start of the process to the first alert on the page.
const ALLOWED: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_first_simulated_alert_is_on_the_nurses_page_within_thirty_seconds() {
    let _machine = machine_to_oneself().await;
    let folder = tempfile::Builder::new().prefix("vigie-demo-").tempdir().unwrap();
    let demo = Demo::start(folder.path(), &[]).await.unwrap();
    println!("ready after {:.1?}", demo.began().elapsed());
    let welcome = demo.printed().join("\n");
    let nurse = demo.manifest().user("infirmiere").unwrap();
    for promised in [demo.manifest().http.as_str(), &demo.manifest().mqtt, &nurse.login, &nurse.password] {
        assert!(welcome.contains(promised), "{promised} is not in the welcome: {welcome}");
    }
    // For scripts; it holds secrets, so for nobody else.
    let mode = std::fs::metadata(folder.path().join("demo.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for role in ["nurse", "physician", "coordinator", "administrator", "technician"] {
        assert!(demo.manifest().users.iter().any(|user| user.role == role), "no {role} in demo.json");
    }
    let browser = Browser::open().await;
    browser.log_in(&demo.manifest().http, &nurse.login, &nurse.password).await;
    let left = ALLOWED.saturating_sub(demo.began().elapsed());
    // The past left alerts on the worklist; the one of now is about a glucose of 0.52 g/L.
    let now = By::XPath("//tr[contains(@class, 'row')][contains(., '0,52')]");
    let row = browser.wait_for(now, left).await.expect("the alert of now on the worklist within 30 s");
    println!("the first alert on the page after {:.1?}", demo.began().elapsed());
    assert!(demo.began().elapsed() <= ALLOWED);
    println!("it says: {}", row.text().await.unwrap().replace('\n', " | "));
    browser.close().await;
    demo.finish(&[]).await.unwrap();
}
