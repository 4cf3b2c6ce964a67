//! One connection at a time: logs in, keeps its window full, reads acknowledgements, and starts over when it breaks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use vigie_wire::{Channel, Topic};

use super::ack_log::Acked;
use super::histogram::Histogram;
use super::pace::{Pace, give_up_at, over};
use super::packet::{self, Incoming};
use super::payload::Author;
use super::{LoadReport, Shared, Stop};
use crate::Error;
use crate::random::{Purpose, Stream};

/// Longest wait for a connection and its CONNACK.
const LOGIN: Duration = Duration::from_secs(5);
const KEEP_ALIVE_SECONDS: u16 = 60;
/// Well before the keep-alive ends.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Pauses between attempts: doubling from the first to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often the end of the load is looked for while nothing else happens.
const LOOK: Duration = Duration::from_millis(100);

/// What one connection, or all of them, came to.
#[derive(Default)]
pub(super) struct Tally {
    publishes: u64,
    readings: u64,
    acknowledged_publishes: u64,
    acknowledged_readings: u64,
    resent: u64,
    connections: u64,
    receipts: u64,
    first: Option<Instant>,
    last: Option<Instant>,
    latency: Histogram,
}

impl Tally {
    pub(super) fn absorb(&mut self, other: &Self) {
        self.publishes += other.publishes;
        self.readings += other.readings;
        self.acknowledged_publishes += other.acknowledged_publishes;
        self.acknowledged_readings += other.acknowledged_readings;
        self.resent += other.resent;
        self.connections += other.connections;
        self.receipts += other.receipts;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = [self.last, other.last].into_iter().flatten().max();
        self.latency.absorb(&other.latency);
    }

    pub(super) fn report(&self) -> LoadReport {
        let elapsed = match (self.first, self.last) {
            (Some(first), Some(last)) => last.saturating_duration_since(first),
            (Some(_) | None, _) => Duration::ZERO,
        };
        LoadReport {
            publishes: self.publishes,
            readings: self.readings,
            acknowledged_publishes: self.acknowledged_publishes,
            acknowledged_readings: self.acknowledged_readings,
            resent: self.resent,
            connections: self.connections,
            receipts: self.receipts,
            elapsed,
            latency: self.latency.percentiles(),
        }
    }
}

/// A publish that waits for its PUBACK. Its bytes are kept until then.
struct OnItsWay {
    id: u16,
    /// When it was first handed to the socket.
    since: Instant,
    /// When it was handed to this connection.
    sent: Instant,
    first: i64,
    count: usize,
    payload: Vec<u8>,
}

/// A device with what it still owes.
struct Seat {
    author: Author,
    topic: String,
    window: VecDeque<OnItsWay>,
    next_id: u16,
    /// Publishes that it may still make.
    left: u64,
}

impl Seat {
    fn fresh_id(&mut self) -> u16 {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.next_id
    }
}

/// Why a connection ended.
enum Ended {
    /// The device's turn or the load is over, and nothing is owed.
    Done,
    /// The connection broke, or was refused.
    Broken,
    /// Told to stop, or waited long enough for what is missing.
    GivenUp,
}

/// Drives every `slots`-th device from `slot` on, one after the other, until the load is over.
pub(super) async fn drive(shared: Arc<Shared>, slot: usize, slots: usize) -> Result<Tally, Error> {
    let config = &shared.config;
    let mut tally = Tally::default();
    let mut pace = Pace::of(&shared, slot, slots);
    let mut seats: Vec<Seat> = config
        .devices
        .iter()
        .skip(slot)
        .step_by(slots)
        .map(|device| Seat {
            topic: Topic { device: device.id.clone(), channel: Channel::Readings(config.encoding) }
                .to_string(),
            author: Author::new(device.clone(), config.first_sequence),
            window: VecDeque::new(),
            next_id: 0,
            left: if let Stop::EachAfter(publishes) = config.stop { publishes } else { u64::MAX },
        })
        .collect();
    let turns = seats.len() > 1;
    let mut jitter = Stream::new(config.epoch, slot as u32, Purpose::Backoff, 0);
    let mut round = 0_usize;
    loop {
        let which = round % seats.len().max(1);
        let Some(seat) = seats.get_mut(which) else {
            return Ok(tally);
        };
        round += 1;
        if seat.left == 0 {
            if seats.iter().all(|seat| seat.left == 0) {
                return Ok(tally);
            }
            continue;
        }
        let mut pause = BACKOFF.0;
        let ended = loop {
            let mut session = Session {
                shared: &shared,
                pace: &mut pace,
                tally: &mut tally,
                left: if turns { config.publishes_per_turn } else { u64::MAX },
                seat,
                out: Vec::new(),
            };
            let before = session.tally.connections;
            match session.run().await? {
                Ended::Broken => {
                    if tally.connections > before {
                        pause = BACKOFF.0;
                    }
                    if hopeless(&shared) {
                        break Ended::GivenUp;
                    }
                    tokio::time::sleep(pause.mul_f64(jitter.between(0.5, 1.0))).await;
                    pause = (pause * 2).min(BACKOFF.1);
                }
                ended @ (Ended::Done | Ended::GivenUp) => break ended,
            }
        };
        if matches!(ended, Ended::GivenUp) || over(&shared, Instant::now()) {
            return Ok(tally);
        }
    }
}

/// The load is over and its drain too.
fn hopeless(shared: &Shared) -> bool {
    let now = Instant::now();
    shared.shutdown.is_cancelled() || give_up_at(shared, now).is_some_and(|deadline| now >= deadline)
}

/// One connection of one device.
struct Session<'a> {
    shared: &'a Shared,
    pace: &'a mut Pace,
    tally: &'a mut Tally,
    seat: &'a mut Seat,
    /// Publishes left in this turn.
    left: u64,
    /// Bytes to write.
    out: Vec<u8>,
}

impl Session<'_> {
    async fn run(&mut self) -> Result<Ended, Error> {
        let shutdown = self.shared.shutdown.clone();
        let login = timeout(LOGIN, self.login());
        let Some(Ok(Some((stream, mut bytes)))) = shutdown.run_until_cancelled(login).await else {
            return Ok(Ended::Broken);
        };
        self.tally.connections += 1;
        if self.shared.config.receipts {
            let receipts = Topic { device: self.seat.author.device().id.clone(), channel: Channel::Receipts };
            let id = self.seat.fresh_id();
            packet::subscribe(&mut self.out, &receipts.to_string(), id);
        }
        self.send_again();
        let mut ping_at = Instant::now() + PING_EVERY;
        loop {
            let now = Instant::now();
            self.fill(now);
            if let Some(ended) = self.over(now) {
                self.goodbye(&stream).await;
                return Ok(ended);
            }
            let beat = self.pace.next().filter(|_| self.has_room() && !over(self.shared, now));
            let look = self.look_at(now);
            let wake = beat.map_or(look, |beat| beat.min(look)).min(ping_at);
            tokio::select! {
                ready = stream.readable() => {
                    if ready.is_err() || !self.read(&stream, &mut bytes).await? {
                        return Ok(Ended::Broken);
                    }
                }
                ready = stream.writable(), if !self.out.is_empty() => {
                    if ready.is_err() || !write(&stream, &mut self.out) {
                        return Ok(Ended::Broken);
                    }
                }
                () = self.shared.shutdown.cancelled() => return Ok(Ended::GivenUp),
                () = sleep_until(wake) => {}
            }
            if Instant::now() >= ping_at {
                packet::pingreq(&mut self.out);
                ping_at = Instant::now() + PING_EVERY;
            }
        }
    }

    /// Connects and logs in; gives the stream and what came after the CONNACK.
    async fn login(&mut self) -> Option<(TcpStream, Vec<u8>)> {
        let address = &self.shared.config.address;
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let device = self.seat.author.device();
        self.out.clear();
        packet::connect(&mut self.out, device.id.as_str(), device.secret.reveal(), KEEP_ALIVE_SECONDS);
        let mut bytes = Vec::with_capacity(4_096);
        loop {
            while !self.out.is_empty() {
                stream.writable().await.ok()?;
                if !write(&stream, &mut self.out) {
                    return None;
                }
            }
            stream.readable().await.ok()?;
            if !read_into(&stream, &mut bytes) {
                return None;
            }
            if let Some((first, used)) = packet::parse(&bytes).ok()? {
                bytes.drain(..used);
                return (first == Incoming::ConnAck(0)).then_some((stream, bytes));
            }
        }
    }

    /// In a new session nothing is on its way: everything owed goes again, with new packet ids and its old content.
    fn send_again(&mut self) {
        for _ in 0..self.seat.window.len() {
            let Some(mut owed) = self.seat.window.pop_front() else {
                return;
            };
            owed.id = self.seat.fresh_id();
            owed.sent = Instant::now();
            packet::publish(&mut self.out, &self.seat.topic, owed.id, &owed.payload);
            self.tally.resent += 1;
            self.seat.window.push_back(owed);
        }
    }

    /// When to look whether something is over. With nothing on its way and an end that is known nothing happens before
    /// that: thousands of quiet devices must not cost the processor that they share with the server.
    fn look_at(&self, now: Instant) -> Instant {
        let end = self.shared.end.filter(|end| self.seat.window.is_empty() && now < *end);
        end.unwrap_or(now + LOOK)
    }

    fn has_room(&self) -> bool {
        self.left > 0 && self.seat.left > 0 && self.seat.window.len() < self.shared.config.in_flight
    }

    fn fill(&mut self, now: Instant) {
        while self.has_room() && self.pace.take(self.shared, now) {
            let written = self.seat.author.write(&self.shared.config);
            let id = self.seat.fresh_id();
            packet::publish(&mut self.out, &self.seat.topic, id, &written.payload);
            self.left -= 1;
            self.seat.left -= 1;
            self.tally.publishes += 1;
            self.tally.readings += written.count as u64;
            self.tally.first.get_or_insert(now);
            self.seat.window.push_back(OnItsWay {
                id,
                since: now,
                sent: now,
                first: written.first,
                count: written.count,
                payload: written.payload,
            });
        }
    }

    /// Is this connection at its end?
    fn over(&self, now: Instant) -> Option<Ended> {
        let finished = self.left == 0 || self.seat.left == 0 || over(self.shared, now);
        if finished && self.seat.window.is_empty() {
            return Some(Ended::Done);
        }
        if give_up_at(self.shared, now).is_some_and(|deadline| now >= deadline) {
            return Some(Ended::GivenUp);
        }
        let sent = self.seat.window.front().map(|owed| owed.sent);
        let patience = self.shared.config.ack_patience;
        sent.is_some_and(|sent| now.saturating_duration_since(sent) > patience).then_some(Ended::Broken)
    }

    /// Reads what is there and takes the acknowledgements in it; false when the connection is over.
    async fn read(&mut self, stream: &TcpStream, bytes: &mut Vec<u8>) -> Result<bool, Error> {
        let open = read_into(stream, bytes);
        let now = Instant::now();
        let mut used = 0;
        loop {
            let Ok(next) = packet::parse(bytes.get(used..).unwrap_or_default()) else {
                return Ok(false);
            };
            let Some((incoming, length)) = next else { break };
            used += length;
            match incoming {
                Incoming::PubAck(id) => self.acknowledged(id, now).await?,
                Incoming::Publish(wants) => {
                    self.tally.receipts += 1;
                    if let Some(id) = wants {
                        packet::puback(&mut self.out, id);
                    }
                }
                Incoming::ConnAck(_) => return Ok(false),
                Incoming::SubAck | Incoming::PingResp => {}
            }
        }
        bytes.drain(..used);
        Ok(open)
    }

    async fn acknowledged(&mut self, id: u16, now: Instant) -> Result<(), Error> {
        let Some(place) = self.seat.window.iter().position(|owed| owed.id == id) else {
            return Ok(());
        };
        let Some(owed) = self.seat.window.remove(place) else {
            return Ok(());
        };
        self.tally.acknowledged_publishes += 1;
        self.tally.acknowledged_readings += owed.count as u64;
        let took = now.saturating_duration_since(owed.since);
        self.tally.latency.record(took);
        self.tally.last = Some(now);
        if let Some(log) = &self.shared.log {
            let at = (self.shared.config.clock)();
            let published =
                SignedDuration::try_from(took).ok().and_then(|took| at.checked_sub(took).ok()).unwrap_or(at);
            let acked = Acked {
                device: self.seat.author.device().id.clone(),
                epoch: self.shared.config.epoch,
                first: owed.first,
                count: owed.count,
                published,
                took,
            };
            log.send(acked)
                .await
                .map_err(|_| Error::Task("the list of acknowledgements cannot be written".to_owned()))?;
        }
        Ok(())
    }

    /// A DISCONNECT if it can be written at once; nothing depends on it.
    async fn goodbye(&mut self, stream: &TcpStream) {
        packet::disconnect(&mut self.out);
        if timeout(LOOK, stream.writable()).await.is_ok() && !write(stream, &mut self.out) {
            tracing::debug!("the server hung up first");
        }
    }
}

/// Writes what fits; false when the connection is over.
fn write(stream: &TcpStream, out: &mut Vec<u8>) -> bool {
    match stream.try_write(out) {
        Ok(0) => false,
        Ok(written) => {
            out.drain(..written);
            true
        }
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}

/// Reads what is there; false when the connection is over.
fn read_into(stream: &TcpStream, bytes: &mut Vec<u8>) -> bool {
    bytes.reserve(4_096);
    match stream.try_read_buf(bytes) {
        Ok(0) => false,
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}
