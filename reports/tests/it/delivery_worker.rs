//! From a stored report to a mailbox: what each kind of trouble leaves behind, and that nothing is lost or silently repeated.

use std::time::Duration;

use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use vigie_reports::delivery::{Login, Security, Smtp, Timeouts};
use vigie_store::reports::practices::Channel;
use vigie_testkit::{Proxy, logs};

use crate::delivery_post::{Post, header, hexadecimal, pdf};
use crate::delivery_server::MailServer;

const DOCTOR: &str = "dr@cabinet.example";
const OTHER: &str = "secretariat@cabinet.example";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// A little more than the lease.
const LEASE_IS_OVER: SignedDuration = SignedDuration::from_secs(5 * 60 + 1);

/// A practice, its report on the way, a server.
async fn post_and_server(fallback: Option<&str>) -> (Post, MailServer) {
    logs::expect("the mail server does not take mails");
    let (post, server) = (Post::new().await, MailServer::start().await);
    post.practice("Cabinet du Port", Channel::Email, DOCTOR, fallback).await;
    assert_eq!(post.report().await, 1);
    (post, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_reaches_the_practice_with_its_document_and_names_nobody_outside_it() {
    let post = Post::new().await;
    let mut server = MailServer::with(Security::StartTls, Some(("vigie", "s3cret"))).await;
    post.practice("Cabinet du Port", Channel::Email, DOCTOR, None).await;
    assert_eq!(post.report().await, 1);
    let login = Some(Login { user: "vigie".into(), password: "s3cret".into() });
    let worker = post.worker(Smtp { login, ..server.settings() }).await;
    let mail = server.mail().await;
    post.until(&["dr@cabinet.example|accepted|1"]).await;
    worker.end().await;

    let hash = hexadecimal(&Sha256::digest(pdf()));
    assert!(mail["tls"] == true && mail["authenticated"] == true);
    assert_eq!(mail["to"], serde_json::json!([DOCTOR]));
    assert_eq!(mail["subject"], "Vigie\u{202f}: rapport hebdomadaire 2026-W47 (1 document)");
    assert_eq!(header(&mail, "To"), [DOCTOR]);
    assert_eq!(header(&mail, "From"), ["Vigie <rapports@vigie.mssante.fr>"]);
    assert_eq!(header(&mail, "Date"), ["Mon, 23 Nov 2026 05:00:00 +0000"]);
    assert_eq!(header(&mail, "Auto-Submitted"), ["auto-generated"]);
    assert_eq!(header(&mail, "X-Vigie-Report-SHA256"), [hash.as_str()]);
    assert_eq!(mail["message_id"], post.database.value("SELECT message_id FROM report_delivery"));
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("Cabinet du Port") && text.contains(&hash), "{text}");
    assert!(text.contains("Ceci n’est pas un service d’urgence."), "{text}");

    let [attachment] = mail["attachments"].as_array().unwrap().as_slice() else {
        panic!("one document: {mail}")
    };
    assert_eq!(attachment["hex"], hexadecimal(&pdf()));
    assert_eq!(attachment["type"], "application/pdf");
    assert_eq!(attachment["encoding"], "base64");
    assert_eq!(attachment["name"], format!("vigie-2026-W47-{}.pdf", &hash[..8]));

    // `Patient 1 TEST`, `P-1` of the test's people.
    let patient = post.database.value("SELECT patient_id FROM report_delivery");
    let outside = format!("{} {text}", mail["headers"]);
    for name in ["Patient 1", "P-1", &patient] {
        assert!(!outside.contains(name), "{name} is named: {outside}");
    }
    let events = post.events();
    assert_eq!(events, ["created|", "attempt|", "accepted|250 queued"]);
    assert_eq!(
        post.database.value("SELECT count(*) FROM service_beat WHERE role = 'reports' AND instance = '1'"),
        "1"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_summary_goes_to_its_practice() {
    let (post, mut server) = (Post::new().await, MailServer::start().await);
    let practice = post.practice("Cabinet du Port", Channel::MsSante, "dr@medecin.mssante.fr", None).await;
    assert_eq!(post.summary(practice).await, 1);
    let worker = post.worker(server.settings()).await;
    let mail = server.mail().await;
    post.until(&["dr@medecin.mssante.fr|accepted|1"]).await;
    worker.end().await;
    assert_eq!(mail["subject"], "Vigie\u{202f}: synthèse hebdomadaire de vos patients 2026-W47 (1 document)");
    assert_eq!(mail["attachments"][0]["hex"], hexadecimal(&pdf()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_recipient_is_visible_and_the_fallback_address_gets_the_report() {
    let (post, mut server) = post_and_server(Some(OTHER)).await;
    server.answer(DOCTOR, &["550 5.1.1 no such user"]).await;
    let worker = post.worker(server.settings()).await;
    post.until(&["dr@cabinet.example|refused|1", "secretariat@cabinet.example|accepted|1"]).await;
    worker.end().await;
    let replies = post.database.query("SELECT last_reply FROM report_delivery ORDER BY address");
    assert_eq!(replies, ["550 5.1.1 no such user", "250 queued"]);
    let mails = server.so_far("mail").await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["to"], serde_json::json!([OTHER]));
    assert_eq!(mails[0]["attachments"][0]["hex"], hexadecimal(&pdf()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn greylisting_delays_a_report_and_does_not_lose_it() {
    let (post, mut server) = post_and_server(None).await;
    server.answer(DOCTOR, &["451 4.7.1 greylisted, come back later"]).await;
    let worker = post.worker(server.settings()).await;
    post.until(&["dr@cabinet.example|deferred|1"]).await;
    assert!(server.so_far("mail").await.is_empty());
    post.pass(MINUTE);
    post.until(&["dr@cabinet.example|accepted|2"]).await;
    worker.end().await;
    assert_eq!(server.so_far("mail").await.len(), 1);
    let greylisted = "deferred|451 4.7.1 greylisted, come back later";
    assert_eq!(post.events(), ["created|", "attempt|", greylisted, "attempt|", "accepted|250 queued"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_is_tried_again() {
    let (post, mut server) = post_and_server(None).await;
    server.act(&["mute"]).await;
    let timeouts = Timeouts { command: Duration::from_secs(2), ..Timeouts::default() };
    let worker = post.worker(Smtp { timeouts, ..server.settings() }).await;
    post.until(&["dr@cabinet.example|deferred|1"]).await;
    post.pass(MINUTE);
    post.until(&["dr@cabinet.example|accepted|2"]).await;
    worker.end().await;
    assert_eq!(server.so_far("mail").await.len(), 1);
    assert_eq!(post.events()[2], "deferred|while announcing the message: no answer in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_outcome_is_told_as_such_and_the_repeat_is_the_same_mail() {
    let (post, mut server) = post_and_server(None).await;
    server.act(&["vanish"]).await;
    let worker = post.worker(server.settings()).await;
    post.until(&["dr@cabinet.example|deferred|1"]).await;
    post.pass(MINUTE);
    post.until(&["dr@cabinet.example|accepted|2"]).await;
    worker.end().await;
    assert!(post.events()[2].starts_with("unknown|after the end of the message"), "{:?}", post.events());
    the_same_mail_twice(&mut server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_stopped_records_the_mail_that_is_on_its_way_first() {
    let (post, mut server) = post_and_server(None).await;
    server.act(&["hold"]).await;
    let worker = post.worker(server.settings()).await;
    server.mail().await;
    let ending = tokio::spawn(worker.end());
    server.go().await;
    ending.await.unwrap();
    assert_eq!(post.deliveries(), ["dr@cabinet.example|accepted|1"]);
}

/// Exactly two mails came, with one Message-ID and the same bytes.
async fn the_same_mail_twice(server: &mut MailServer) {
    let mails = server.so_far("mail").await;
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0]["message_id"], mails[1]["message_id"]);
    assert_eq!(mails[0]["sha256"], mails[1]["sha256"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_acceptance_and_record_the_same_mail_comes_again() {
    let (post, mut server) = post_and_server(None).await;
    server.act(&["hold"]).await;
    let worker = post.worker(server.settings()).await;
    let first = server.mail().await;
    worker.die().await;
    server.go().await;
    assert_eq!(post.deliveries(), ["dr@cabinet.example|sending|1"]);

    // Nobody takes it while the lease runs.
    post.pass(SignedDuration::from_mins(4));
    let worker = post.worker(server.settings()).await;
    post.until_looked().await;
    assert_eq!(post.deliveries(), ["dr@cabinet.example|sending|1"]);
    post.pass(LEASE_IS_OVER);
    let second = server.mail().await;
    post.until(&["dr@cabinet.example|accepted|2"]).await;
    worker.end().await;
    assert_eq!(first["message_id"], second["message_id"]);
    assert_eq!(first["sha256"], second["sha256"]);
    assert!(server.so_far("mail").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_acceptance_exactly_one_mail_comes() {
    let (post, mut server) = post_and_server(None).await;
    server.act(&["mute"]).await;
    let worker = post.worker(server.settings()).await;
    server.event("mute").await;
    worker.die().await;
    let worker = post.worker(server.settings()).await;
    post.pass(LEASE_IS_OVER);
    post.until(&["dr@cabinet.example|accepted|2"]).await;
    worker.end().await;
    assert_eq!(server.so_far("mail").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_bring_two_hundred_deliveries_once_each() {
    let (post, mut server) = (Post::new().await, MailServer::start().await);
    for n in 0..200 {
        let address = format!("dr.{n:03}@cabinet.example");
        post.practice(&format!("Cabinet {n}"), Channel::Email, &address, None).await;
    }
    assert_eq!(post.report().await, 200);
    let url = post.database.url();
    let workers = [
        post.worker_through(url, server.settings(), "1").await,
        post.worker_through(url, server.settings(), "2").await,
    ];
    let expected: Vec<_> = (0..200).map(|n| format!("dr.{n:03}@cabinet.example|accepted|1")).collect();
    post.until(&expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for worker in workers {
        worker.end().await;
    }
    let mails = server.so_far("mail").await;
    let mut to: Vec<_> = mails.iter().map(|mail| mail["to"][0].as_str().unwrap().to_owned()).collect();
    to.sort();
    assert_eq!(to, (0..200).map(|n| format!("dr.{n:03}@cabinet.example")).collect::<Vec<_>>());
    let mut ids: Vec<_> = mails.iter().map(|mail| mail["message_id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_lost_its_lease_does_not_record_over_anothers_outcome() {
    let (post, mut server) = post_and_server(None).await;
    server.act(&["hold"]).await;
    server.answer(DOCTOR, &["250 OK", "550 5.1.1 no such user"]).await;
    let slow = post.worker_through(post.database.url(), server.settings(), "slow").await;
    server.mail().await;
    post.pass(LEASE_IS_OVER);
    let other = post.worker_through(post.database.url(), server.settings(), "other").await;
    post.until(&["dr@cabinet.example|refused|2"]).await;
    server.go().await;
    slow.end().await;
    other.end().await;
    assert_eq!(post.deliveries(), ["dr@cabinet.example|refused|2"]);
    assert_eq!(post.database.value("SELECT last_reply FROM report_delivery"), "550 5.1.1 no such user");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_while_a_mail_is_sent_costs_no_repeat_when_it_comes_back_within_the_lease() {
    logs::expect("outcome of a delivery not recorded");
    let (post, mut server) = post_and_server(None).await;
    let proxy = Proxy::start(post.database.port()).await;
    server.act(&["hold"]).await;
    let worker = post.worker_through(&post.database.url_through(proxy.port()), server.settings(), "1").await;
    server.mail().await;
    proxy.cut();
    server.go().await;
    assert_eq!(post.deliveries(), ["dr@cabinet.example|sending|1"]);
    proxy.restore();
    post.until(&["dr@cabinet.example|accepted|1"]).await;
    worker.end().await;
    assert!(server.so_far("mail").await.is_empty(), "it was not sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_stays_away_while_the_worker_dies_leads_to_the_same_mail_again() {
    logs::expect("outcome of a delivery not recorded");
    let (post, mut server) = post_and_server(None).await;
    let proxy = Proxy::start(post.database.port()).await;
    server.act(&["hold"]).await;
    let worker = post.worker_through(&post.database.url_through(proxy.port()), server.settings(), "1").await;
    let first = server.mail().await;
    proxy.cut();
    server.go().await;
    worker.die().await;
    proxy.restore();
    post.pass(LEASE_IS_OVER);
    let worker = post.worker_through(&post.database.url_through(proxy.port()), server.settings(), "1").await;
    post.until(&["dr@cabinet.example|accepted|2"]).await;
    worker.end().await;
    let second = server.mail().await;
    assert_eq!(first["message_id"], second["message_id"]);
    assert_eq!(first["sha256"], second["sha256"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_three_days_of_later_a_delivery_has_failed_and_the_fallback_address_gets_the_report() {
    let (post, mut server) = post_and_server(Some(OTHER)).await;
    server.answer(DOCTOR, &["451 4.3.2 later"; 22]).await;
    let worker = post.worker(server.settings()).await;
    let start = post.clock.now();
    for attempt in 1..22 {
        post.until(&[&format!("dr@cabinet.example|deferred|{attempt}")]).await;
        post.pass(SignedDuration::from_hours(4));
    }
    post.until(&["dr@cabinet.example|failed|22", "secretariat@cabinet.example|accepted|1"]).await;
    worker.end().await;
    assert_eq!(post.clock.now().duration_since(start), SignedDuration::from_hours(84));
    assert_eq!(server.so_far("mail").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordinary_address_is_refused_by_the_mssante_channel_before_anything_is_sent() {
    let (post, mut server) = (Post::new().await, MailServer::start().await);
    post.practice("Cabinet du Port", Channel::MsSante, DOCTOR, Some("cabinet@medecin.mssante.fr")).await;
    post.report().await;
    let worker = post.worker(server.settings()).await;
    post.until(&["cabinet@medecin.mssante.fr|accepted|1", "dr@cabinet.example|refused|1"]).await;
    worker.end().await;
    let rcpt = server.so_far("rcpt").await;
    assert_eq!(rcpt.len(), 1);
    assert_eq!(rcpt[0]["address"], "cabinet@medecin.mssante.fr");
    let reply = post.database.value("SELECT last_reply FROM report_delivery WHERE state = 'refused'");
    assert_eq!(reply, "an MSSanté address is expected: its domain ends with .mssante.fr");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_ordinary_sender_nothing_goes_to_mssante_and_it_waits_visibly() {
    logs::expect("deliveries by MSSanté wait");
    let (post, mut server) = (Post::new().await, MailServer::start().await);
    post.practice("Cabinet du Port", Channel::MsSante, "dr@medecin.mssante.fr", None).await;
    post.report().await;
    let worker = post.worker(Smtp { from: "vigie@chu.example".into(), ..server.settings() }).await;
    post.until(&["dr@medecin.mssante.fr|deferred|1"]).await;
    worker.end().await;
    assert!(server.so_far("rcpt").await.is_empty());
    // The operator sets the right sender and starts again.
    post.pass(MINUTE);
    let worker = post.worker(server.settings()).await;
    post.until(&["dr@medecin.mssante.fr|accepted|2"]).await;
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_and_no_address_can_add_a_header_or_a_recipient() {
    let (post, mut server) = (Post::new().await, MailServer::start().await);
    let name = "Cabinet\r\nBcc: x@evil.example\r\n\r\n<b>";
    post.practice(name, Channel::Email, DOCTOR, None).await;
    let address = "a@b.example>\r\nRCPT TO:<x@evil.example";
    post.practice("Autre", Channel::Email, address, None).await;
    post.report().await;
    let worker = post.worker(server.settings()).await;
    let mail = server.mail().await;
    let states = "SELECT count(*) FROM report_delivery WHERE state IN ('accepted', 'refused')";
    post.until_query(states, &["2"]).await;
    worker.end().await;
    let names: Vec<_> =
        mail["headers"].as_array().unwrap().iter().map(|header| header[0].as_str().unwrap()).collect();
    assert!(!names.iter().any(|name| name.eq_ignore_ascii_case("bcc")), "{names:?}");
    assert!(mail["text"].as_str().unwrap().contains("Cabinet Bcc: x@evil.example <b>"));
    let rcpt = server.so_far("rcpt").await;
    assert_eq!(rcpt.len(), 1, "{rcpt:?}");
    assert_eq!(rcpt[0]["address"], DOCTOR);
    assert!(server.so_far("mail").await.is_empty());
    let refused = post
        .database
        .value("SELECT count(*) FROM report_delivery WHERE state = 'refused' AND address LIKE 'a@b%'");
    assert_eq!(refused, "1");
}
