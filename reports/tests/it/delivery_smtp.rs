//! The mailer and a mail server, without a database.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use vigie_reports::delivery::outcome::{Cause, Outcome};
use vigie_reports::delivery::{Login, Mailer, Security, Smtp, Timeouts};

use crate::delivery_server::{Authority, MailServer, SENDER};

const MESSAGE: &[u8] = b"From: a@b.example\r\nSubject: test\r\n\r\n.one dot\r\n..two dots\r\n.\r\nend\r\n";

/// Sends to `dr@cabinet.example` and says good-bye.
async fn send(smtp: Smtp) -> Outcome {
    let mailer = Mailer::new(smtp).unwrap();
    let (outcome, parting) = mailer.send(&"dr@cabinet.example".parse().unwrap(), MESSAGE).await;
    parting.leave().await;
    outcome
}

fn deferred_by_the_server(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Deferred { cause: Cause::Server, reply } => reply,
        Outcome::Deferred { .. }
        | Outcome::Accepted { .. }
        | Outcome::Refused { .. }
        | Outcome::Unknown { .. } => {
            panic!("{outcome:?}")
        }
    }
}

fn short(smtp: Smtp) -> Smtp {
    let command = Duration::from_millis(500);
    Smtp { timeouts: Timeouts { command, whole: 2 * command, ..Timeouts::default() }, ..smtp }
}

#[tokio::test]
async fn a_mail_leaves_under_starttls_with_the_password_under_tls_only() {
    let mut server = MailServer::with(Security::StartTls, Some(("vigie", "s3cret"))).await;
    let login = Some(Login { user: "vigie".into(), password: "s3cret".into() });
    let outcome = send(Smtp { login, ..server.settings() }).await;
    assert_eq!(outcome, Outcome::Accepted { reply: "250 queued".into() });
    let login = server.event("login").await;
    assert!(login["right"] == true && login["tls"] == true, "{login}");
    let mail = server.mail().await;
    assert!(mail["tls"] == true && mail["authenticated"] == true, "{mail}");
    assert_eq!(mail["sender"], SENDER);
    assert_eq!(mail["to"], serde_json::json!(["dr@cabinet.example"]));
    // Dots at the start of a line come through as they were.
    assert_eq!(mail["text"], ".one dot\r\n..two dots\r\n.\r\nend\r\n\r\n");
}

#[tokio::test]
async fn a_mail_leaves_under_tls_from_the_first_byte() {
    let mut server = MailServer::with(Security::Tls, None).await;
    let outcome = send(server.settings()).await;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    assert_eq!(server.mail().await["tls"], true);
}

#[tokio::test]
async fn a_wrong_password_is_our_matter_and_not_held_against_the_address() {
    let mut server = MailServer::with(Security::StartTls, Some(("vigie", "s3cret"))).await;
    let login = Some(Login { user: "vigie".into(), password: "wrong".into() });
    let outcome = send(Smtp { login, ..server.settings() }).await;
    assert!(deferred_by_the_server(&outcome).starts_with("535 "), "{outcome:?}");
    let outcome = send(server.settings()).await;
    assert!(deferred_by_the_server(&outcome).starts_with("530 "), "no log-in at all: {outcome:?}");
    assert!(server.so_far("mail").await.is_empty());
}

#[tokio::test]
async fn a_server_without_starttls_is_never_given_a_mail_in_clear() {
    let mut server = MailServer::with(Security::None, None).await;
    let login = Some(Login { user: "vigie".into(), password: "s3cret".into() });
    let outcome = send(Smtp { security: Security::StartTls, login, ..server.settings() }).await;
    assert!(deferred_by_the_server(&outcome).contains("TLS"), "{outcome:?}");
    for event in ["login", "rcpt", "mail"] {
        assert!(server.so_far(event).await.is_empty(), "{event} was sent in clear");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_for_another_name_is_refused() {
    for security in [Security::StartTls, Security::Tls] {
        let mut server = MailServer::with(security, None).await;
        let stranger = Some(Authority::new().pem.into_bytes());
        let wrong = [
            Smtp { authority: stranger, ..server.settings() },
            // The authorities of the system do not know the one of this test either.
            Smtp { authority: None, ..server.settings() },
            // The right authority, but the certificate is for localhost.
            Smtp { host: "127.0.0.1".into(), ..server.settings() },
        ];
        for smtp in wrong {
            let outcome = send(smtp).await;
            let reply = deferred_by_the_server(&outcome);
            assert!(reply.starts_with("while changing to TLS:") && reply.contains("certificate"), "{reply}");
        }
        assert!(server.so_far("rcpt").await.is_empty() && server.so_far("mail").await.is_empty());
        assert!(
            matches!(send(server.settings()).await, Outcome::Accepted { .. }),
            "and the right one is taken"
        );
    }
}

/// Somebody on the line, without any certificate: passes everything on, and appends to the server's answer to STARTTLS what
/// the server would say under TLS to each command of a mail.
async fn append_to_starttls(listener: TcpListener, server: u16) {
    let mut client = BufReader::new(listener.accept().await.unwrap().0);
    let mut server = BufReader::new(TcpStream::connect(("127.0.0.1", server)).await.unwrap());
    let mut line = String::new();
    for command in ["", "EHLO", "STARTTLS"] {
        if !command.is_empty() {
            line.clear();
            client.read_line(&mut line).await.unwrap();
            assert!(line.starts_with(command), "{line}");
            server.write_all(line.as_bytes()).await.unwrap();
        }
        let mut answer = String::new();
        loop {
            line.clear();
            server.read_line(&mut line).await.unwrap();
            answer.push_str(&line);
            if line.as_bytes().get(3) == Some(&b' ') {
                break;
            }
        }
        if command == "STARTTLS" {
            answer.push_str("250 mail.test\r\n250 OK\r\n250 OK\r\n354 go on\r\n250 accepted\r\n");
        }
        client.write_all(answer.as_bytes()).await.unwrap();
    }
    drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
}

#[tokio::test]
async fn lines_that_somebody_appends_to_the_answer_to_starttls_are_not_believed() {
    let mut server = MailServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let somebody = tokio::spawn(append_to_starttls(listener, server.port));
    let outcome = send(Smtp { port, ..server.settings() }).await;
    assert!(deferred_by_the_server(&outcome).starts_with("while changing to TLS:"), "{outcome:?}");
    somebody.await.unwrap();
    assert!(server.so_far("mail").await.is_empty());
}

#[tokio::test]
async fn what_the_server_says_after_the_message_decides() {
    let mut server = MailServer::start().await;
    server.act(&["554 5.6.0 we do not like it", "452 4.3.1 disk full", "vanish", "leave", "long"]).await;
    assert_eq!(
        send(server.settings()).await,
        Outcome::Refused { reply: "554 5.6.0 we do not like it".into() }
    );
    assert_eq!(
        send(server.settings()).await,
        Outcome::Deferred { cause: Cause::Mail, reply: "452 4.3.1 disk full".into() }
    );
    let outcome = send(server.settings()).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "the line broke after the end: {outcome:?}");
    let outcome = send(server.settings()).await;
    assert!(deferred_by_the_server(&outcome).starts_with("while announcing"), "before it: {outcome:?}");
    let Outcome::Accepted { reply } = send(server.settings()).await else { panic!("accepted") };
    assert_eq!(reply.chars().count(), 500);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_in_time() {
    let mut server = MailServer::start().await;
    server.act(&["mute", "hold"]).await;
    let outcome = send(short(server.settings())).await;
    assert_eq!(deferred_by_the_server(&outcome), "while announcing the message: no answer in time");
    let outcome = send(short(server.settings())).await;
    let reply = "after the end of the message: no answer in time".to_owned();
    assert_eq!(outcome, Outcome::Unknown { reply });
}

#[tokio::test]
async fn nobody_at_the_port_is_a_deferral() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let outcome = send(Smtp { port, ..Smtp::new("localhost", SENDER) }).await;
    assert!(deferred_by_the_server(&outcome).starts_with("while connecting:"), "{outcome:?}");
}
