//! A device in words: what it says of itself, what of it never arrived, what is asked of it, and its certificates.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vigie_store::commands::Command;
use vigie_store::device_certificates::Certificate;
use vigie_store::intake::DeviceStatus;
use vigie_store::ledger_reports::{EpochGaps, Prospect};
use vigie_words::values as words;

use crate::pages::views::{When, when};
use crate::text::Texts;

/// A clock that is off by more is worth a word; ingest corrects one that runs ahead from there on.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(2);
/// A battery below this needs somebody.
const BATTERY_LOW: i32 = 20;

/// `Lecteur de glycémie`; a kind that no catalogue knows stays as it is.
pub(crate) fn kind_word(kind: &str, t: Texts) -> String {
    known(&format!("device.kind.{kind}"), kind, t)
}

/// `connecté`.
pub(crate) fn state_word(state: &str, t: Texts) -> String {
    known(&format!("device.state.{state}"), state, t)
}

fn known(key: &str, otherwise: &str, t: Texts) -> String {
    match t.get(key) {
        text if text == key => otherwise.to_owned(),
        text => text.to_owned(),
    }
}

/// Something that a device says of itself, and whether somebody should look after it.
pub(crate) struct Fact {
    pub(crate) words: String,
    pub(crate) is_odd: bool,
}

/// A device's last word about itself.
pub(crate) struct StatusView {
    pub(crate) received: When,
    pub(crate) state: String,
    pub(crate) battery: Option<Fact>,
    pub(crate) firmware: Option<String>,
    pub(crate) clock: Option<Fact>,
    pub(crate) queue: Option<String>,
}

pub(crate) fn status(
    status: &DeviceStatus,
    received_at: Timestamp,
    zone: &TimeZone,
    now: Timestamp,
    t: Texts,
) -> StatusView {
    StatusView {
        received: when(received_at, zone, now, t),
        state: state_word(&status.state, t),
        battery: status
            .battery_percent
            .map(|n| Fact { words: t.with("device.percent", "n", n), is_odd: n < BATTERY_LOW }),
        firmware: status.firmware.clone(),
        clock: status.clock.as_deref().map(|clock| clock_fact(clock, received_at, zone, now, t)),
        queue: status.queue_length.map(|n| t.count("count.readings", n)),
    }
}

/// What the device's clock said when its status came, and by how much it was off.
fn clock_fact(clock: &str, received_at: Timestamp, zone: &TimeZone, now: Timestamp, t: Texts) -> Fact {
    let Ok(at) = clock.parse::<Timestamp>() else {
        return Fact { words: t.with("device.clock_unreadable", "text", clock), is_odd: true };
    };
    let ahead = at.duration_since(received_at);
    let moment = words::moment(at, zone, now, t);
    if ahead.abs() <= CLOCK_TOLERANCE {
        return Fact { words: t.with("device.clock_right", "at", moment), is_odd: false };
    }
    let key = if ahead.is_positive() { "device.clock_ahead" } else { "device.clock_behind" };
    let minutes = ahead.abs().as_secs() / 60;
    let off = match minutes {
        ..120 => t.with("age.minutes", "n", minutes),
        _ => words::span(minutes / 60, t),
    };
    Fact { words: t.fill(key, &[("at", &moment), ("off", &off)]), is_odd: true }
}

/// What never arrived of one memory epoch.
pub(crate) struct GapView {
    pub(crate) missing: bool,
    /// `3 mesures ne sont jamais arrivées`.
    pub(crate) words: String,
    /// `17 à 19, 23`.
    pub(crate) numbers: String,
    /// Which epoch, and how far its numbers go.
    pub(crate) about: String,
}

/// Ranges of numbers on the page; the rest is counted.
const RANGES_SHOWN: usize = 20;

pub(crate) fn gaps(epoch: &EpochGaps, t: Texts) -> GapView {
    let range = |((first, last), prospect): (&(i64, i64), &Prospect)| {
        let numbers = if first == last {
            first.to_string()
        } else {
            t.fill("device.range", &[("from", first), ("to", last)])
        };
        match prospect {
            // That is what the line says of all of them.
            Prospect::NeverArrived => numbers,
            Prospect::WaitedFor => format!("{numbers} ({})", t.get("device.gap.waited_for")),
            Prospect::AskedFor { tries, .. } => {
                format!("{numbers} ({})", t.count("device.gap.asked_for", i64::from(*tries)))
            }
            Prospect::LostWithMemory => format!("{numbers} ({})", t.get("device.gap.lost_with_memory")),
        }
    };
    let ranges = epoch.ranges.iter().zip(&epoch.prospects);
    let mut numbers: Vec<String> = ranges.take(RANGES_SHOWN).map(range).collect();
    if epoch.ranges.len() > RANGES_SHOWN {
        numbers.push("…".to_owned());
    }
    GapView {
        missing: epoch.missing > 0,
        words: t.count("device.missing", epoch.missing),
        numbers: numbers.join(", "),
        about: t.fill("device.epoch", &[("highest", &epoch.highest), ("epoch", &epoch.epoch)]),
    }
}

/// What was asked, and what became of it.
pub(crate) struct CommandView {
    pub(crate) id: i64,
    pub(crate) what: String,
    pub(crate) reason: String,
    pub(crate) asked: When,
    pub(crate) asked_by: String,
    pub(crate) state: String,
    /// For the shape of its mark: the name of the state.
    pub(crate) code: String,
    pub(crate) followed: Vec<String>,
    pub(crate) can_be_cancelled: bool,
}

pub(crate) fn command(
    command: &Command,
    may_ask: bool,
    zone: &TimeZone,
    now: Timestamp,
    t: Texts,
) -> CommandView {
    let moment = |at| words::moment(at, zone, now, t);
    let what = match (command.from_sequence, command.message.as_str()) {
        (Some(from), _) => t.with("command.send_again_from", "n", from),
        (None, "") => known(&format!("command.{}", command.kind), &command.kind, t),
        (None, message) => t.with("command.show_this", "text", message),
    };
    let is_queued = command.state == "queued";
    let mut followed = Vec::new();
    if is_queued {
        followed.push(t.with("command.until", "at", moment(command.expires_at)));
    }
    if let Some(at) = command.delivered_at {
        followed.push(t.with("command.delivered_at", "at", moment(at)));
    }
    match (command.ended_at, &command.cancelled_by) {
        (Some(at), Some(by)) => {
            followed.push(t.fill("command.cancelled_by", &[("at", &moment(at)), ("name", by)]));
        }
        (Some(at), None) => followed.push(t.with("command.ended_at", "at", moment(at))),
        (None, _) => {}
    }
    CommandView {
        id: command.id,
        what,
        reason: command.reason.clone(),
        asked: when(command.asked_at, zone, now, t),
        asked_by: command.asked_by.clone(),
        state: known(&format!("command.state.{}", command.state), &command.state, t),
        code: command.state.clone(),
        followed,
        can_be_cancelled: is_queued && may_ask,
    }
}

/// A certificate.
pub(crate) struct CertificateView {
    pub(crate) serial: String,
    pub(crate) origin: String,
    pub(crate) issued: String,
    pub(crate) expires: String,
    pub(crate) state: String,
    pub(crate) is_good: bool,
}

pub(crate) fn certificate(
    certificate: &Certificate,
    zone: &TimeZone,
    now: Timestamp,
    t: Texts,
) -> CertificateView {
    let moment = |at| words::moment(at, zone, now, t);
    let (state, is_good) = match certificate.revoked_at {
        Some(at) => (t.with("certificate.revoked", "at", moment(at)), false),
        None if certificate.expires_at <= now => (t.get("certificate.expired").to_owned(), false),
        None => (t.get("certificate.good").to_owned(), true),
    };
    CertificateView {
        serial: certificate.serial.clone(),
        origin: known(&format!("certificate.{}", certificate.origin), &certificate.origin, t),
        issued: moment(certificate.issued_at),
        expires: moment(certificate.expires_at),
        state,
        is_good,
    }
}

#[cfg(test)]
mod tests {
    use vigie_charts::Locale;

    use super::*;

    fn clock(text: &str) -> (String, bool) {
        let received = "2026-11-22T08:00:00Z".parse().unwrap();
        let fact = clock_fact(text, received, &TimeZone::UTC, received, Texts(Locale::En));
        (fact.words, fact.is_odd)
    }

    #[test]
    fn a_clock_is_told_with_how_much_it_is_off() {
        assert_eq!(clock("2026-11-22T09:01:03+01:00"), ("22 Nov at 08:01, right".into(), false));
        assert_eq!(clock("2026-11-22T08:12:00Z"), ("22 Nov at 08:12, 12 min fast".into(), true));
        assert_eq!(clock("2026-11-17T08:00:00Z"), ("17 Nov at 08:00, 5 days slow".into(), true));
        assert_eq!(clock("yesterday"), ("“yesterday”, cannot be read".into(), true));
    }

    #[test]
    fn missing_numbers_are_counted_and_named() {
        let epoch = EpochGaps {
            epoch: 1,
            is_current: true,
            highest: 40,
            missing: 4,
            ranges: vec![(17, 19), (23, 23)],
            prospects: vec![Prospect::NeverArrived; 2],
        };
        let view = gaps(&epoch, Texts(Locale::En));
        assert_eq!(
            (view.words.as_str(), view.numbers.as_str()),
            ("4 readings never arrived", "17 to 19, 23")
        );
        let asked = Prospect::AskedFor { tries: 2, next_at: Timestamp::UNIX_EPOCH };
        let hoped = EpochGaps { prospects: vec![asked, Prospect::WaitedFor], ..epoch.clone() };
        assert_eq!(
            gaps(&hoped, Texts(Locale::En)).numbers,
            "17 to 19 (Vigie asked for them 2 times), 23 (may still be on their way)"
        );
        let many = EpochGaps {
            ranges: (1..=30).map(|n| (3 * n, 3 * n)).collect(),
            prospects: vec![Prospect::NeverArrived; 30],
            missing: 30,
            ..epoch
        };
        let view = gaps(&many, Texts(Locale::Fr));
        assert_eq!(view.words, "30 mesures ne sont jamais arrivées");
        assert!(view.numbers.ends_with("60, …"), "{}", view.numbers);
    }
}
