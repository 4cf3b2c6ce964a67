//! A new demo has weeks behind it that were lived through: what is on record was known, and done, at its time.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use vigie_e2e::demo::Demo;
use vigie_e2e::stand::{Profile, vigie};

use crate::actors::house::machine_to_oneself;

/// One number.
fn number(demo: &Demo, sql: &str) -> f64 {
    demo.query(sql).unwrap()[0][0].parse().unwrap()
}

/// Everything that was made, as numbers.
fn counts(demo: &Demo) -> Vec<String> {
    let sql = "SELECT (SELECT count(*) FROM reading), (SELECT count(*) FROM alert), (SELECT count(*) FROM alert_event),
        (SELECT count(*) FROM staff), (SELECT count(*) FROM patient), (SELECT count(*) FROM device)";
    demo.query(sql).unwrap().remove(0)
}

/// The start of this ISO week in Paris, so many weeks back.
fn monday(back: u32) -> String {
    format!(
        "((date_trunc('week', now() AT TIME ZONE 'Europe/Paris') - interval '{back} weeks') AT TIME ZONE 'Europe/Paris')"
    )
}

#[tokio::test]
async fn a_new_demo_has_weeks_behind_it_in_which_alerts_were_raised_and_handled_at_their_time() {
    let _machine = machine_to_oneself().await;
    let folder = tempfile::Builder::new().prefix("vigie-past-").tempdir().unwrap();
    let demo = Demo::start(folder.path(), &["--no-sim"]).await.unwrap();
    println!("ready after {:.1?}", demo.began().elapsed());
    assert!(demo.printed().iter().any(|line| line.contains("making up the last 35 days")));

    for back in 1..=4 {
        let week = format!("measured_at >= {} AND measured_at < {}", monday(back), monday(back - 1));
        let of_week = |sql: &str| number(&demo, &format!("SELECT {sql} FROM reading WHERE {week}"));
        assert!(of_week("count(DISTINCT patient_id)") >= 20.0, "{back} weeks ago");
        assert!(of_week("count(*)") > 2_000.0, "{back} weeks ago");
        // A sensor sends once an hour, everything else at once; what is late is the exception.
        let late = of_week(
            "count(*) FILTER (WHERE received_at - measured_at > interval '65 minutes') / count(*)::float",
        );
        assert!((0.0..0.2).contains(&late), "{back} weeks ago {late} came late");
        assert_eq!(of_week("count(*) FILTER (WHERE received_at < measured_at)"), 0.0);
        let opened = format!(
            "SELECT count(*) FROM alert WHERE opened_at >= {} AND opened_at < {}",
            monday(back),
            monday(back - 1)
        );
        assert!(number(&demo, &opened) > 3.0, "{back} weeks ago");
    }
    let by_staff = "FROM alert_event WHERE actor_id IS NOT NULL";
    for kind in ["acknowledged", "resolved", "comment"] {
        assert!(number(&demo, &format!("SELECT count(*) {by_staff} AND kind = '{kind}'")) > 5.0, "{kind}");
    }
    let hours = "(at AT TIME ZONE 'Europe/Paris')::time BETWEEN '08:29' AND '17:40'";
    assert_eq!(number(&demo, &format!("SELECT count(*) {by_staff} AND NOT {hours}")), 0.0);
    let backwards = "SELECT count(*) FROM alert WHERE opened_at < known_at OR acknowledged_at < opened_at
        OR resolved_at < opened_at OR opened_at > now()";
    assert_eq!(number(&demo, backwards), 0.0);
    let open = number(&demo, "SELECT count(*) FROM alert WHERE state <> 'resolved'");
    assert!((5.0..=20.0).contains(&open), "{open} alerts are not resolved");
    demo.finish(&[]).await.unwrap();
}

#[tokio::test]
async fn the_last_whole_week_has_a_prescription_a_pause_a_new_meter_and_readings_that_do_not_count() {
    let _machine = machine_to_oneself().await;
    let folder = tempfile::Builder::new().prefix("vigie-past-").tempdir().unwrap();
    let demo = Demo::start(folder.path(), &["--no-sim", "--past-days", "16"]).await.unwrap();
    let wednesday =
        format!("valid_from BETWEEN {0} + interval '2 days' AND {0} + interval '3 days'", monday(1));
    let changed = demo
        .query(&format!(
            "SELECT DISTINCT plan FROM rule_version JOIN care_plan USING (patient_id)
             WHERE version = 2 AND {wednesday} ORDER BY plan"
        ))
        .unwrap();
    let plans: Vec<&str> = changed.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(plans, ["diabetes", "diabetes_cgm", "heart_failure", "oral_anticoagulation"]);
    let since = format!(">= {}", monday(1));
    assert_eq!(number(&demo, &format!("SELECT count(*) FROM pause WHERE from_at {since}")), 1.0);
    let in_hospital = "SELECT count(*) FROM reading r JOIN pause p USING (patient_id)
        WHERE r.measured_at >= p.from_at AND r.measured_at < p.until_at";
    assert_eq!(number(&demo, in_hospital), 0.0);

    // The old meter until its day, the new one since; only the new one is in demo.json.
    let swapped = demo
        .query(&format!(
            "SELECT old.device_id, new.device_id, upper(old.held) = lower(new.held), new.patient_id,
                (SELECT count(*) FROM reading r WHERE r.device_id = old.device_id AND r.measured_at >= upper(old.held)),
                (SELECT count(*) FROM reading r WHERE r.device_id = old.device_id) > 0
             FROM device_assignment old JOIN device_assignment new USING (patient_id)
             WHERE upper(old.held) {since} AND upper(new.held) IS NULL"
        ))
        .unwrap();
    assert_eq!(swapped.len(), 1, "{swapped:?}");
    assert_eq!(swapped[0][2..3], ["t"]);
    assert_eq!(swapped[0][4..], ["0", "t"]);
    let patient = demo.manifest().patients.iter().find(|p| p.id == swapped[0][3]).unwrap();
    assert_eq!(patient.devices.iter().map(|d| &d.id).collect::<Vec<_>>(), [&swapped[0][1]]);

    let control = format!("SELECT count(*) FROM reading WHERE NOT of_a_person AND measured_at {since}");
    assert!(number(&demo, &control) >= 1.0);
    let refused = "SELECT count(*) FROM quarantine WHERE code = 'earlier_timeline'";
    assert_eq!(number(&demo, refused), 1.0);
    let receipts = "SELECT count(*) FROM device_outbox WHERE channel = 'receipts'";
    assert_eq!(number(&demo, receipts), 0.0, "the devices of the past had their receipts");
    // 14.6 kg more than the day before and the day after.
    let jump = format!(
        "SELECT count(*) FROM (SELECT value - lag(value) OVER w AS before, value - lead(value) OVER w AS after
         FROM reading WHERE vital = 'weight' AND measured_at {since}
         WINDOW w AS (PARTITION BY patient_id ORDER BY measured_at)) AS r WHERE before > 10 AND after > 10"
    );
    assert!(number(&demo, &jump) >= 1.0);
    let languages = "SELECT count(*) FROM patient WHERE language = 'en'";
    assert_eq!(number(&demo, languages), 2.0);
    demo.finish(&[]).await.unwrap();
}

#[tokio::test]
async fn killed_while_its_past_is_made_a_demo_is_made_anew_by_the_next_start_and_then_stays() {
    let _machine = machine_to_oneself().await;
    let folder = tempfile::Builder::new().prefix("vigie-past-").tempdir().unwrap();
    let mut child = Command::new(vigie(Profile::Debug).unwrap())
        .args(["demo", "--no-sim", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Staff and patients are committed by now; their past is being made.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("making up the last")));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(folder.path().join("demo.making").exists());
    assert!(!folder.path().join("demo.json").exists());

    let options = ["--no-sim", "--past-days", "4", "--patients", "6"];
    let demo = Demo::start(folder.path(), &options).await.unwrap();
    assert!(demo.printed().iter().any(|line| line.contains("making it anew")));
    assert_eq!(number(&demo, "SELECT count(*) FROM patient"), 6.0, "nothing is left of the first attempt");
    assert!(!folder.path().join("demo.making").exists());
    let made = counts(&demo);
    demo.finish(&[]).await.unwrap();

    let again = Demo::start(folder.path(), &options).await.unwrap();
    assert!(!again.printed().iter().any(|line| line.contains("making up")));
    assert_eq!(counts(&again)[0], made[0], "the same readings");
    assert_eq!(counts(&again)[3..], made[3..], "the same people and devices");
    again.finish(&[]).await.unwrap();
}

#[tokio::test]
async fn the_simulation_goes_on_where_the_past_ends_without_a_hole_and_without_a_repetition() {
    let _machine = machine_to_oneself().await;
    let folder = tempfile::Builder::new().prefix("vigie-past-").tempdir().unwrap();
    let options = ["--past-days", "3", "--patients", "12", "--speed", "10000"];
    let demo = Demo::start(folder.path(), &options).await.unwrap();
    // Sensors measure every quarter of an hour; the replay is over within seconds, an offline fault as well.
    let caught_up = "SELECT count(DISTINCT device_id) FROM reading JOIN device ON device.id = device_id
        WHERE kind = 'cgm' AND measured_at > now() - interval '16 minutes'";
    let all = async || (number(&demo, caught_up) == 2.0).then_some(());
    vigie_e2e::waiting::until(std::time::Duration::from_secs(40), all).await.expect("the present is reached");
    let gaps = "SELECT count(*) FILTER (WHERE d > interval '16 minutes'), count(*) FILTER (WHERE d < interval '14 minutes')
        FROM (SELECT measured_at - lag(measured_at) OVER (PARTITION BY device_id ORDER BY measured_at) AS d
              FROM reading JOIN device ON device.id = device_id
              WHERE kind = 'cgm' AND measured_at BETWEEN now() - interval '7 hours' AND now() - interval '15 minutes') g";
    assert_eq!(demo.query(gaps).unwrap()[0], ["0", "0"]);
    let epochs =
        "SELECT count(DISTINCT epoch) FROM reading JOIN device ON device.id = device_id WHERE kind = 'cgm'";
    assert!(number(&demo, epochs) >= 2.0, "past and present count for themselves");
    demo.finish(&[]).await.unwrap();
}
