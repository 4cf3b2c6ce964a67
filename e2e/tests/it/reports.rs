//! A physician's weekly report, from the demo as a newcomer runs it.

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::Method;
use vigie_e2e::demo::Demo;
use vigie_e2e::waiting::until;

use crate::actors::api::Staff;
use crate::actors::house::machine_to_oneself;

/// Last week's reports, all of them and the practices' summaries, are there soon after the start.
async fn last_week(demo: &Demo) -> String {
    let sql = "SELECT max(week), count(*) FILTER (WHERE state = 'due'), count(*) FROM report_job
               WHERE week = to_char(now() AT TIME ZONE 'Europe/Paris' - interval '7 days', 'IYYY-\"W\"IW')";
    let rows = until(std::time::Duration::from_secs(90), async || {
        let row = demo.query(sql).ok()?.remove(0);
        (row[1] == "0" && row[2].parse::<u32>().ok()? > 20).then_some(row)
    })
    .await
    .expect("last week's reports are made");
    rows[0].clone()
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect()
}

#[tokio::test]
async fn every_patient_has_last_weeks_report_once_as_files_and_on_the_page_the_same_bytes() {
    let _machine = machine_to_oneself().await;
    let folder = tempfile::Builder::new().prefix("vigie-reports-").tempdir().unwrap();
    let demo = Demo::start(folder.path(), &["--no-sim"]).await.unwrap();
    let week = last_week(&demo).await;

    let patients = demo.manifest().patients.len();
    let twice = "SELECT count(*), count(DISTINCT (patient_id, week)) FROM report";
    let row = demo.query(twice).unwrap().remove(0);
    assert_eq!(row[0], row[1], "each patient and week once");
    assert_eq!(demo.query("SELECT count(*) FROM report_job WHERE attempts > 0").unwrap()[0][0], "0");

    let out = |name: &str| folder.path().join(name);
    for name in ["once", "again"] {
        let target = out(name);
        let written =
            demo.vigie(&["report", "weekly", "--week", &week, "--out", target.to_str().unwrap()]).unwrap();
        assert!(written.status.success(), "{written:?}");
    }
    let (once, again) = (files(&out("once")), files(&out("again")));
    assert_eq!(once, again, "the same bytes");
    let ending = |ending: &str| once.keys().filter(|name| name.ends_with(ending)).count();
    assert_eq!((ending(".pdf"), ending(".html"), ending(".json")), (patients, patients, patients));

    let nurse = demo.manifest().users.iter().find(|user| user.role == "nurse").unwrap();
    let nurse = Staff::with_token(&demo.manifest().http, &nurse.token);
    let patient = demo.manifest().patients[0].id.clone();
    let path = format!("/patients/{patient}/reports/{week}");
    let pdf = nurse.send(Method::GET, &format!("{path}?format=pdf&language=fr"), None).await;
    let pdf = pdf.bytes().await.unwrap();
    assert_eq!(once[&format!("{week}-D00001-fr.pdf")], pdf, "what is written is what the page gives");
    let report = nurse.get(&path).await;
    assert_eq!(report["metrics"]["glucose"]["mean"]["unit"], "mg/dL");
    assert!(report["metrics"]["glucose"]["mean"]["value"].is_number());
    let page = nurse.page(&format!("/reports?week={week}")).await;
    assert!(page.contains("Rapports hebdomadaires") && page.contains(&patient));

    // One's own patients only: the last eighth belongs to the other team.
    let other = demo.manifest().patients.last().unwrap().id.clone();
    assert_eq!(nurse.status(&format!("/patients/{other}/reports/{week}")).await, 404);
    demo.finish(&[]).await.unwrap();
}
