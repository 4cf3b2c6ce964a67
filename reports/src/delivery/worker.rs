//! The loop around a delivery: claim it, send it, record what became of it.
//!
//! Claim and record are transactions of their own; between them the delivery is leased. A worker that dies in between
//! loses the lease, and whoever claims the delivery then sends the same bytes under the same Message-ID.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vigie_charts::Locale;
use vigie_service::{Clock, chain, ids};
use vigie_store::reports::What;
use vigie_store::reports::deliveries::{self, Delivery};
use vigie_store::reports::documents::StoredDocument;
use vigie_store::{Database, devices};

use super::mailer::{Mailer, Parting};
use super::message::{Content, Letter, compose};
use super::outcome::{self, Cause, Outcome};

/// Settings of a worker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often is looked for deliveries when nobody wakes us (2 s).
    pub poll: Duration,
    /// How long a delivery is ours (5 min): longer than a whole send and the record of it, see [`Mailer::longest`].
    pub lease: SignedDuration,
    /// First and longest pause while the mail server is away (1 s, 1 min); doubled in between.
    pub pauses: (Duration, Duration),
    /// How often life is shown in `service_beat` (5 s).
    pub beat: Duration,
    /// Name of this worker among several.
    pub instance: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(2),
            lease: SignedDuration::from_mins(5),
            pauses: (Duration::from_secs(1), Duration::from_mins(1)),
            beat: Duration::from_secs(5),
            instance: "1".into(),
        }
    }
}

/// How long a database that refuses is left alone.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);

/// Delivers until `stop`; a mail that is on its way then is sent to its end and recorded first.
pub async fn run(
    database: Database,
    clock: Clock,
    mailer: Arc<Mailer>,
    settings: Settings,
    wake: Arc<Notify>,
    stop: CancellationToken,
) {
    // However the settings are: nobody may claim what is still being sent.
    let longest = SignedDuration::try_from(mailer.longest()).unwrap_or(SignedDuration::MAX);
    let lease = settings.lease.max(longest.saturating_add(longest / 2));
    let mut worker = Worker {
        database,
        clock,
        mailer,
        settings: Settings { lease, ..settings },
        longest,
        stop: stop.clone(),
        next_beat: None,
        database_away: false,
        said_not_served: false,
        failures: 0,
    };
    while !stop.is_cancelled() {
        let wait = worker.work().await;
        if wait.is_zero() {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = wake.notified(), if !worker.database_away && worker.failures == 0 => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

struct Worker {
    database: Database,
    clock: Clock,
    mailer: Arc<Mailer>,
    settings: Settings,
    longest: SignedDuration,
    stop: CancellationToken,
    next_beat: Option<Timestamp>,
    database_away: bool,
    /// Was it said that mails by MSSanté cannot leave?
    said_not_served: bool,
    /// Attempts in a row that failed because of the mail server.
    failures: u32,
}

impl Worker {
    /// One delivery; how long to wait until the next.
    async fn work(&mut self) -> Duration {
        let claimed = match self.claim().await {
            Ok(claimed) => claimed,
            Err(error) => return self.database_failed(&error, "no delivery claimed; trying again"),
        };
        self.database_is_back();
        let Some((delivery, document)) = claimed else { return self.settings.poll };
        if self.clock.now().saturating_add(self.longest).is_ok_and(|end| end > delivery.lease_until) {
            // This machine slept between the claim and now: another worker may claim before we would be done.
            tracing::info!(delivery = %delivery.id, "too little is left of the lease; not sent");
            return Duration::ZERO;
        }
        let (outcome, parting) = self.attempt(&delivery, document.as_ref()).await;
        self.record(&delivery, &outcome).await;
        parting.leave().await;
        self.pause(&outcome)
    }

    /// The next delivery and its document, ours until the lease ends.
    async fn claim(&mut self) -> vigie_store::Result<Option<(Delivery, Option<StoredDocument>)>> {
        let now = self.clock.now();
        let mut tx = self.database.begin().await?;
        let delivery = deliveries::claim(&mut tx, now, self.settings.lease, 1).await?.pop();
        let document = match &delivery {
            Some(delivery) => deliveries::pdf(&mut tx, delivery.id).await?,
            None => None,
        };
        let beat = self.next_beat.is_none_or(|next| now >= next);
        if beat {
            devices::beat(&mut tx, "reports", &self.settings.instance, now).await?;
        }
        tx.commit().await.map_err(vigie_store::Error::from)?;
        if beat {
            let every = SignedDuration::try_from(self.settings.beat).unwrap_or(SignedDuration::from_secs(5));
            self.next_beat = now.saturating_add(every).ok();
        }
        Ok(delivery.map(|delivery| (delivery, document)))
    }

    async fn attempt(
        &mut self,
        delivery: &Delivery,
        document: Option<&StoredDocument>,
    ) -> (Attempt, Parting) {
        let channel = delivery.channel;
        if !self.mailer.serves(channel) {
            if !self.said_not_served {
                tracing::warn!(
                    "deliveries by MSSanté wait: the sender is not an MSSanté address, or TLS is off"
                );
                self.said_not_served = true;
            }
            let reply = "the sender is not an MSSanté address, or TLS is off: see docs/report-delivery.md";
            return done(Outcome::Deferred { cause: Cause::Mail, reply: reply.into() });
        }
        let to = match self.mailer.check(channel, &delivery.address) {
            Ok(to) => to,
            Err(problem) => return done(Outcome::Refused { reply: problem.to_string() }),
        };
        let Some(document) = document else {
            return impossible(delivery, "there is no document in this language");
        };
        let letter = Letter {
            delivery: delivery.id.0,
            message_id: &delivery.message_id,
            dated: delivery.created_at,
            from: self.mailer.from(),
            to: &to,
            locale: if delivery.language == "en" { Locale::En } else { Locale::Fr },
            week: &delivery.week,
            content: match delivery.what {
                What::Report(_) => Content::Report { version: delivery.version },
                What::Practice(_) => Content::Summary,
            },
            practice: &delivery.practice_name,
            pdf: &document.bytes,
            sha256: &document.sha256,
        };
        match compose(&letter) {
            Ok(message) => {
                let (outcome, parting) = self.mailer.send(&to, &message).await;
                (Attempt::Made(outcome), parting)
            }
            Err(problem) => impossible(delivery, &chain(&problem)),
        }
    }

    /// Records until it is recorded, or the lease is over: then the delivery is tried again by whoever claims it.
    async fn record(&mut self, delivery: &Delivery, attempt: &Attempt) {
        loop {
            match self.write(delivery, attempt).await {
                Ok(true) => break,
                Ok(false) => {
                    tracing::info!(delivery = %delivery.id, "the lease was over; somebody else has the delivery");
                    break;
                }
                Err(error) => {
                    let pause =
                        self.database_failed(&error, "outcome of a delivery not recorded; trying again");
                    if !error.is_temporary()
                        || self.clock.now() >= delivery.lease_until
                        || self.stop.is_cancelled()
                    {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
        self.database_is_back();
    }

    async fn write(&self, delivery: &Delivery, attempt: &Attempt) -> vigie_store::Result<bool> {
        let (now, id, nth) = (self.clock.now(), delivery.id, delivery.attempt);
        let pause = outcome::pause_after(u32::try_from(nth).unwrap_or(1));
        let again = pause.and_then(|pause| now.checked_add(pause).ok());
        let mut tx = self.database.begin().await?;
        let changed = match (attempt, again) {
            (Attempt::Impossible(why), _) => deliveries::failed(&mut tx, id, nth, now, why).await?,
            (Attempt::Made(Outcome::Accepted { reply }), _) => {
                deliveries::accepted(&mut tx, id, now, reply).await?
            }
            (Attempt::Made(Outcome::Refused { reply }), _) => {
                deliveries::refused(&mut tx, id, nth, now, reply).await?
            }
            (Attempt::Made(Outcome::Deferred { reply, .. }), Some(again)) => {
                deliveries::deferred(&mut tx, id, nth, now, again, reply).await?
            }
            (Attempt::Made(Outcome::Unknown { reply }), Some(again)) => {
                deliveries::unknown(&mut tx, id, nth, now, again, reply).await?
            }
            (Attempt::Made(Outcome::Deferred { reply, .. } | Outcome::Unknown { reply }), None) => {
                deliveries::failed(&mut tx, id, nth, now, reply).await?
            }
        };
        tx.commit().await.map_err(vigie_store::Error::from)?;
        Ok(changed)
    }

    /// How long to leave the mail server alone. Said once when it goes away and once when it is back.
    fn pause(&mut self, attempt: &Attempt) -> Duration {
        let away = match attempt {
            Attempt::Made(Outcome::Deferred { cause: Cause::Server, reply } | Outcome::Unknown { reply }) => {
                Some(reply)
            }
            Attempt::Made(Outcome::Deferred { cause: Cause::Mail, .. }) | Attempt::Impossible(_) => {
                return Duration::ZERO;
            }
            Attempt::Made(Outcome::Accepted { .. } | Outcome::Refused { .. }) => None,
        };
        let Some(reply) = away else {
            if self.failures > 0 {
                tracing::info!("the mail server takes mails again");
                self.failures = 0;
            }
            return Duration::ZERO;
        };
        if self.failures == 0 {
            tracing::warn!(why = %outcome::without_addresses(reply), "the mail server does not take mails; trying again");
        }
        self.failures = self.failures.saturating_add(1);
        let (first, longest) = self.settings.pauses;
        let doubled = first.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        doubled.min(longest).mul_f64(jitter())
    }

    fn database_failed(&mut self, error: &vigie_store::Error, what: &'static str) -> Duration {
        if !error.is_temporary() {
            tracing::error!(error = %chain(error), "{what}");
        } else if !self.database_away {
            tracing::warn!(error = %chain(error), "{what}");
        }
        self.database_away = true;
        PAUSE_AFTER_ERROR.mul_f64(jitter())
    }

    fn database_is_back(&mut self) {
        if self.database_away {
            tracing::info!("delivering again");
            self.database_away = false;
        }
    }
}

/// What an attempt came to.
enum Attempt {
    /// A conversation with the server, or a rule that made one needless.
    Made(Outcome),
    /// There is nothing that could be sent.
    Impossible(String),
}

fn done(outcome: Outcome) -> (Attempt, Parting) {
    (Attempt::Made(outcome), Parting::none())
}

fn impossible(delivery: &Delivery, why: &str) -> (Attempt, Parting) {
    tracing::error!(delivery = %delivery.id, error = why, "a delivery has nothing to send");
    (Attempt::Impossible(why.to_owned()), Parting::none())
}

/// Between a half and one: workers that failed together do not come back together.
fn jitter() -> f64 {
    let [byte] = ids::random_bytes::<1>();
    0.5 + f64::from(byte) / 510.0
}
