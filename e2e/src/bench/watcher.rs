//! A nurse's browser: logs in, follows `GET /api/v1/events`, and notes what came when.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use vigie_service::Clock;

use super::sight::Moments;
use crate::stand::{Service, Stand};

/// The first heartbeat comes at once, the next ones every five seconds.
const BEGIN: Duration = Duration::from_secs(15);
/// From the last commit to its event.
const LAST: Duration = Duration::from_secs(30);

/// One event, as far as a bench cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its number.
    pub(super) id: i64,
    /// `readings`, `alert_opened` ...
    pub(super) kind: String,
    pub(super) patient: String,
    pub(super) alert: Option<String>,
    /// When it was read from the socket, in microseconds since 1970.
    pub(super) at: i64,
}

/// A stream that is being followed.
pub(super) struct Watcher {
    task: JoinHandle<Result<Vec<Seen>>>,
    /// The number of the last event that came.
    last: watch::Receiver<i64>,
    enough: oneshot::Sender<()>,
}

impl Watcher {
    /// Logs a new nurse in and waits until her stream has begun.
    pub(super) async fn start(stand: &Stand, vigie: &Service) -> Result<Self> {
        let (http, password) = (vigie.http()?, stand.add_nurse("nurse")?);
        let body = serde_json::json!({ "login": "nurse", "password": password }).to_string();
        let client = Client::new();
        let request =
            client.post(format!("{http}/api/v1/session")).header("content-type", "application/json");
        let session: Value = request.body(body).send().await?.error_for_status()?.json().await?;
        let token = session.get("token").and_then(Value::as_str).context("no token")?;
        let request = client.get(format!("{http}/api/v1/events")).bearer_auth(token);
        let response = request.send().await?.error_for_status()?;
        let ((begin, begun), (enough, over)) = (oneshot::channel(), oneshot::channel());
        let (sender, last) = watch::channel(0);
        let task = tokio::spawn(follow(response, begin, sender, over));
        timeout(BEGIN, begun).await.context("the stream does not begin")?.context("the stream ended")?;
        Ok(Self { task, last, enough })
    }

    /// Waits until everything on record has come, and gives it all. An event that did not come is an error.
    pub(super) async fn finish(mut self, stand: &Stand) -> Result<Vec<Seen>> {
        let wanted = stand.number("SELECT last_id FROM stream_position")?;
        // The sender's end is seen by the task's result below.
        let arrived = timeout(LAST, self.last.wait_for(|last| *last >= wanted)).await;
        let arrived = arrived.map(|waited| waited.is_ok());
        drop(self.enough);
        let seen = self.task.await??;
        ensure!(arrived == Ok(true), "event {wanted} did not come; the last one was {:?}", seen.last());
        let gaps = seen.iter().zip(seen.iter().skip(1)).filter(|(one, next)| next.id != one.id + 1).count();
        ensure!(gaps == 0, "the nurse sees every patient, and {gaps} times events are missing or repeated");
        Ok(seen)
    }
}

/// When `readings` events came, by patient.
pub(super) fn readings(seen: &[Seen]) -> Moments {
    let mut moments = Moments::new();
    for event in seen.iter().filter(|event| event.kind == "readings") {
        moments.entry(event.patient.clone()).or_default().push(event.at);
    }
    moments
}

async fn follow(
    mut response: Response,
    begin: oneshot::Sender<()>,
    last: watch::Sender<i64>,
    mut over: oneshot::Receiver<()>,
) -> Result<Vec<Seen>> {
    let clock = Clock::system();
    let mut begin = Some(begin);
    let mut seen = Vec::new();
    let mut rest = String::new();
    loop {
        let chunk = tokio::select! {
            chunk = response.chunk() => chunk?.context("the stream ended")?,
            _ = &mut over => return Ok(seen),
        };
        let at = clock.now().as_microsecond();
        rest.push_str(std::str::from_utf8(&chunk).context("events are ASCII")?);
        let Some(end) = rest.rfind("\n\n") else { continue };
        let whole: String = rest.drain(..end + 2).collect();
        // A block of comments alone keeps the connection alive.
        let events = whole.split("\n\n").filter(|block| block.lines().any(|line| !line.starts_with(':')));
        for event in events {
            match parse(event, at)? {
                Message::Event(event) => {
                    last.send_replace(event.id);
                    seen.push(event);
                }
                Message::Heartbeat => {
                    if let Some(begin) = begin.take() {
                        // Whoever waited and went away does not need to know.
                        begin.send(()).unwrap_or_default();
                    }
                }
            }
        }
    }
}

enum Message {
    Event(Seen),
    Heartbeat,
}

fn parse(text: &str, at: i64) -> Result<Message> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let kind = field("event:").with_context(|| format!("no event: {text:?}"))?;
    match kind {
        "heartbeat" => return Ok(Message::Heartbeat),
        "reset" | "session_ended" | "stopping" => bail!("the stream says {kind}"),
        _ => {}
    }
    let data: Value = serde_json::from_str(field("data:").context("no data")?)?;
    let text_of = |name| data.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Message::Event(Seen {
        id: data.get("id").and_then(Value::as_i64).context("no number")?,
        kind: kind.to_owned(),
        patient: text_of("patient_id").context("about nobody")?,
        alert: text_of("alert_id"),
        at,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_the_end_of_a_stream_is_an_error() {
        let text = "event: alert_opened\nid: 7\ndata: {\"id\":7,\"patient_id\":\"p\",\"alert_id\":\"a\"}";
        let Ok(Message::Event(seen)) = parse(text, 5) else { panic!("an event") };
        let alert = Some("a".to_owned());
        assert_eq!(seen, Seen { id: 7, kind: "alert_opened".into(), patient: "p".into(), alert, at: 5 });
        assert!(matches!(parse("event: heartbeat\nid: 7\ndata: {}", 5), Ok(Message::Heartbeat)));
        assert!(parse("event: reset\ndata: {}", 5).is_err());
    }
}
