//! One mail, one conversation, one outcome.

use std::error::Error as _;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::address::{self, AddressProblem, Channel};
use super::clear::Careful;
use super::outcome::{self, Outcome, Step, Trouble};
use super::smtp::{Checked, Security, SettingsProblem, Smtp};

/// Takes a made mail to the mail server.
pub struct Mailer {
    smtp: Smtp,
    checked: Checked,
}

/// The conversation's end, for after the outcome is on record: a slow good-bye must not widen the moment in
/// which a crash makes a mail come twice.
#[must_use = "call leave() once the outcome is recorded"]
pub struct Parting(Option<AsyncSmtpConnection>);

/// A server that does not answer QUIT is left without its answer.
const GOOD_BYE: Duration = Duration::from_secs(2);

impl Parting {
    /// There was no conversation.
    pub fn none() -> Self {
        Self(None)
    }

    /// Says QUIT.
    pub async fn leave(self) {
        if let Some(mut connection) = self.0 {
            drop(timeout(GOOD_BYE, connection.quit()).await);
        }
    }
}

impl Mailer {
    /// A mailer for a server; the certificate authorities are read here.
    pub fn new(smtp: Smtp) -> Result<Self, SettingsProblem> {
        let checked = smtp.check()?;
        Ok(Self { smtp, checked })
    }

    /// The sender.
    pub fn from(&self) -> &lettre::Address {
        &self.checked.from
    }

    /// Longest time that [`Mailer::send`] takes.
    pub fn longest(&self) -> Duration {
        self.smtp.timeouts.whole
    }

    /// May this address receive through this channel? See [`address::check`].
    pub fn check(&self, channel: Channel, address: &str) -> Result<lettre::Address, AddressProblem> {
        address::check(channel, address, &self.smtp.mssante_domains)
    }

    /// Can this mailer serve the channel at all? MSSanté takes mail only from a sender within it, under TLS.
    pub fn serves(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => true,
            Channel::MsSante => self.checked.sends_mssante,
        }
    }

    /// Sends one message to one recipient. Always ends, with an outcome.
    pub async fn send(&self, to: &lettre::Address, message: &[u8]) -> (Outcome, Parting) {
        let deadline = Instant::now() + self.smtp.timeouts.whole;
        match self.converse(to, message, deadline).await {
            Ok((reply, connection)) => (Outcome::Accepted { reply }, Parting(Some(connection))),
            // After trouble the connection is not trusted; it is closed by being dropped.
            Err((step, trouble)) => (outcome::judge(step, trouble), Parting::none()),
        }
    }

    async fn converse(
        &self,
        to: &lettre::Address,
        message: &[u8],
        deadline: Instant,
    ) -> Result<(String, AsyncSmtpConnection), (Step, Trouble)> {
        let mut connection = self.connect(deadline).await?;
        if let Some(login) = &self.smtp.login {
            let credentials = Credentials::new(login.user.clone(), login.password.clone());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            self.within(Step::Login, deadline, connection.auth(&mechanisms, &credentials)).await?;
        }
        let sender = Mail::new(Some(self.checked.from.clone()), Vec::new());
        let answer = self.within(Step::Sender, deadline, connection.command(sender)).await?;
        completed(Step::Sender, &answer)?;
        let recipient = Rcpt::new(to.clone(), Vec::new());
        let answer = self.within(Step::Recipient, deadline, connection.command(recipient)).await?;
        completed(Step::Recipient, &answer)?;
        let go_on = self.within(Step::Announce, deadline, connection.command(Data)).await?;
        if go_on.code().severity != Severity::PositiveIntermediate {
            return Err(unexpected(Step::Announce, &go_on));
        }
        // The iterator is asked for more once all of the message is written; then the end is sent.
        let ending = AtomicBool::new(false);
        let mut parts = std::iter::once(message);
        let parts = std::iter::from_fn(|| {
            let part = parts.next();
            ending.store(part.is_none(), Ordering::Relaxed);
            part
        });
        // Alone bounded by the deadline of the whole: a long message on a slow line is written in one step, and
        // each second of patience at the end is one less chance of a repeat.
        let taken = timeout_at(deadline, connection.message_iter(parts)).await;
        let step = if ending.load(Ordering::Relaxed) { Step::End } else { Step::Content };
        let answer = settle(step, taken)?;
        completed(step, &answer)?;
        Ok((outcome::clean(&said(&answer)), connection))
    }

    async fn connect(&self, deadline: Instant) -> Result<AsyncSmtpConnection, (Step, Trouble)> {
        let server = (self.smtp.host.as_str(), self.smtp.port);
        let hello = &self.checked.hello;
        let limits = self.smtp.timeouts;
        if let (Security::Tls, Some(tls)) = (self.smtp.security, &self.checked.tls) {
            let whole = deadline.min(Instant::now() + limits.connect + limits.command);
            let opened = AsyncSmtpConnection::connect_tokio1(
                server,
                Some(limits.connect),
                hello,
                Some(tls.clone()),
                None,
            );
            return settle(Step::Tls, timeout_at(whole, opened).await);
        }
        let stream = match timeout(limits.connect, TcpStream::connect(server)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err((Step::Connect, Trouble::Lost(error.to_string()))),
            Err(_) => return Err((Step::Connect, Trouble::TimedOut)),
        };
        let (stream, protected) = Careful::new(stream);
        let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello);
        let mut connection = self.within(Step::Connect, deadline, greeted).await?;
        if let Some(tls) = &self.checked.tls {
            self.within(Step::Tls, deadline, connection.starttls(tls.clone(), hello)).await?;
            if !connection.is_encrypted() {
                return Err((Step::Tls, Trouble::Lost("the connection is not encrypted".into())));
            }
        }
        protected.store(true, Ordering::Relaxed);
        Ok(connection)
    }

    /// One step, within its time and that of the whole.
    async fn within<T>(
        &self,
        step: Step,
        deadline: Instant,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, (Step, Trouble)> {
        let until = deadline.min(Instant::now() + self.smtp.timeouts.command);
        settle(step, timeout_at(until, work).await)
    }
}

fn settle<T>(
    step: Step,
    result: Result<Result<T, Error>, tokio::time::error::Elapsed>,
) -> Result<T, (Step, Trouble)> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err((step, trouble(&error))),
        Err(_) => Err((step, Trouble::TimedOut)),
    }
}

/// Positive answers are 2xx and 3xx; what a command was done with is 2xx.
fn completed(step: Step, answer: &Response) -> Result<(), (Step, Trouble)> {
    match answer.code().severity {
        Severity::PositiveCompletion => Ok(()),
        Severity::PositiveIntermediate
        | Severity::TransientNegativeCompletion
        | Severity::PermanentNegativeCompletion => Err(unexpected(step, answer)),
    }
}

fn unexpected(step: Step, answer: &Response) -> (Step, Trouble) {
    (step, Trouble::Lost(format!("an unexpected answer: {}", said(answer))))
}

fn trouble(error: &Error) -> Trouble {
    let text = error.source().map_or_else(String::new, vigie_service::chain);
    match error.status() {
        Some(code) => Trouble::Told { code: code.into(), text },
        None => Trouble::Lost(if text.is_empty() { error.to_string() } else { text }),
    }
}

fn said(answer: &Response) -> String {
    format!("{} {}", answer.code(), answer.message().collect::<Vec<_>>().join(" "))
}
