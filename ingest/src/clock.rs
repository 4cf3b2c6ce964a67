//! Places a reading in time. Pure: no I/O, and the time of arrival is handed in.
//!
//! Two clocks are compared: the device's when it sent (`sent_at`) and ours when the batch arrived. What is known is
//!
//! ```text
//! lead = sent_at - arrival = error of the device's clock - time under way,   time under way >= 0
//! ```
//!
//! so `lead` is the least by which the clock can be ahead. Above zero it proves a clock that runs ahead. Below zero it
//! proves nothing: a slow clock and a long way look the same. docs/clock.md gives each rule with its reason.

use jiff::{SignedDuration, Timestamp};
use vigie_vitals::TimeDoubt;

use crate::Config;

/// 2020-01-01T00:00:00Z. The message format is younger, so a clock that says less was never set: 1970, 1980 and 2000 are
/// where clocks begin that lost their battery.
const NO_CLOCK_BEFORE: Timestamp = Timestamp::constant(1_577_836_800, 0);

/// A time as a device wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// In microseconds, which is what the database keeps.
    pub(crate) at: Timestamp,
    /// Was the offset `-00:00`, which tells the moment and not the local time?
    pub(crate) offset_unknown: bool,
}

impl Written {
    /// Reads RFC 3339 with an offset or `Z`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let at: Timestamp = text.parse().ok()?;
        Some(Self { at: to_microseconds(at), offset_unknown: text.ends_with("-00:00") })
    }
}

/// What a device says of its clock in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Nothing, or a word that nobody knows.
    NotSaid,
    /// Set from a trusted source since it last started.
    Synchronised,
    /// Not set.
    Unsynchronised,
}

impl Word {
    /// By `clock_state` of a batch.
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "synchronised" | "synchronized" => Self::Synchronised,
            "unsynchronised" | "unsynchronized" => Self::Unsynchronised,
            _ => Self::NotSaid,
        }
    }
}

/// What one batch proves about the device's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// No reason to move anything.
    Right,
    /// Ahead by at least this, whatever the device says.
    Ahead(SignedDuration),
    /// `sent_at` is old, and nothing tells a slow clock from a long way.
    Unproven,
    /// Not set: by its own word, or because it says a time before [`NO_CLOCK_BEFORE`]. Wrong by this.
    NotSet(SignedDuration),
    /// Not set by its own word, and no `sent_at` to compare with.
    Unknowable,
}

/// The device's clock and ours, when a batch arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reference<'a> {
    sent_at: Option<Timestamp>,
    received_at: Timestamp,
    standing: Standing,
    config: &'a Config,
}

/// Where a reading stands in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The device's own word, as it came; the time of arrival where it gave none.
    pub(crate) device_measured_at: Timestamp,
    /// The same, corrected.
    pub(crate) measured_at: Timestamp,
    /// How it came by that time.
    pub(crate) doubts: Vec<TimeDoubt>,
}

/// Why a reading has no place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unplaceable {
    /// Measured before the clock was lost or set: how far that clock was off, nobody knows any more.
    EarlierTimeline,
    /// The clock is not set, and the batch does not say what it showed when it was sent.
    NoReference,
    /// After the arrival by more than [`Config::future_max`].
    Future,
    /// Before the arrival by more than [`Config::age_max`].
    TooOld,
}

impl Unplaceable {
    /// For programs.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::EarlierTimeline => "earlier_timeline",
            Self::NoReference => "clock_without_reference",
            Self::Future => "measured_in_the_future",
            Self::TooOld => "measured_too_long_ago",
        }
    }

    /// For people.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::EarlierTimeline => {
                "measured_at is of a time before the device's clock was lost or set; it cannot be placed"
            }
            Self::NoReference => {
                "clock_state is unsynchronised and there is no sent_at to compare the clocks by"
            }
            Self::Future => "measured_at lies in the future; is the device's clock right?",
            Self::TooOld => "measured_at lies years back; was the device's clock reset?",
        }
    }
}

impl<'a> Reference<'a> {
    /// Compares the clocks.
    pub(crate) fn new(
        sent_at: Option<Timestamp>,
        word: Word,
        received_at: Timestamp,
        config: &'a Config,
    ) -> Self {
        let tolerance = config.clock_tolerance;
        let standing = match (sent_at.map(|at| (at, at.duration_since(received_at))), word) {
            (None, Word::Unsynchronised) => Standing::Unknowable,
            (None, Word::NotSaid | Word::Synchronised) => Standing::Right,
            (Some((_, lead)), Word::Unsynchronised) => Standing::NotSet(lead),
            (Some((_, lead)), Word::NotSaid | Word::Synchronised) if lead.abs() <= tolerance => {
                Standing::Right
            }
            (Some((_, lead)), Word::NotSaid | Word::Synchronised) if lead.is_positive() => {
                Standing::Ahead(lead)
            }
            (Some((at, lead)), Word::NotSaid | Word::Synchronised) if at < NO_CLOCK_BEFORE => {
                Standing::NotSet(lead)
            }
            (Some(_), Word::NotSaid) => Standing::Unproven,
            // It waited on its way: the device vouches for its clock.
            (Some(_), Word::Synchronised) => Standing::Right,
        };
        Self { sent_at, received_at, standing, config }
    }

    /// By how much the device's clock is proven wrong: above zero it is ahead. `None` where nothing is proven, or
    /// where it is right within the tolerance.
    pub(crate) fn proven_lead(&self) -> Option<SignedDuration> {
        match self.standing {
            Standing::Ahead(lead) | Standing::NotSet(lead) => Some(lead).filter(|lead| self.is_off(*lead)),
            Standing::Right | Standing::Unproven | Standing::Unknowable => None,
        }
    }

    /// Places a reading by what the device wrote, if it wrote a time.
    pub(crate) fn place(&self, written: Option<Written>) -> Result<Placed, Unplaceable> {
        let Some(written) = written else {
            let doubts = vec![TimeDoubt::OfArrival, TimeDoubt::Relative];
            let at = self.received_at;
            return Ok(Placed { device_measured_at: at, measured_at: at, doubts });
        };
        let after_sending =
            self.sent_at.is_some_and(|sent| written.at.duration_since(sent) > self.config.clock_tolerance);
        let mut doubts = Vec::new();
        let lead = match self.standing {
            Standing::Unknowable => return Err(Unplaceable::NoReference),
            Standing::NotSet(_) if after_sending => return Err(Unplaceable::EarlierTimeline),
            Standing::NotSet(lead) => {
                doubts.push(TimeDoubt::Unsynchronised);
                self.is_off(lead).then_some(lead)
            }
            Standing::Ahead(lead) => Some(lead),
            Standing::Unproven => {
                doubts.push(TimeDoubt::Unproven);
                None
            }
            Standing::Right => {
                // Measured after it was sent: the clock was set in between, or `sent_at` is careless.
                doubts.extend(after_sending.then_some(TimeDoubt::Unproven));
                None
            }
        };
        let measured_at = match lead {
            Some(lead) => to_microseconds(written.at.saturating_sub(lead).unwrap_or(written.at)),
            None => written.at,
        };
        self.check(written.at, measured_at)?;
        doubts.extend((measured_at != written.at).then_some(TimeDoubt::Corrected));
        doubts.extend(written.offset_unknown.then_some(TimeDoubt::OffsetUnknown));
        Ok(Placed { device_measured_at: written.at, measured_at, doubts })
    }

    fn is_off(&self, lead: SignedDuration) -> bool {
        lead.abs() > self.config.clock_tolerance
    }

    fn is_future(&self, at: Timestamp) -> bool {
        at.duration_since(self.received_at) > self.config.future_max
    }

    fn is_too_old(&self, at: Timestamp) -> bool {
        self.received_at.duration_since(at) > self.config.age_max
    }

    fn check(&self, written: Timestamp, measured_at: Timestamp) -> Result<(), Unplaceable> {
        if self.is_future(measured_at) {
            return Err(Unplaceable::Future);
        }
        if !self.is_too_old(measured_at) {
            return Ok(());
        }
        // The clock began anew before or after: what it said then and what it says now have nothing to do with each
        // other. A time that is good as it stands was written by a clock that was right, and lost later.
        let was_right_then = measured_at != written && !self.is_too_old(written) && !self.is_future(written);
        if written < NO_CLOCK_BEFORE || was_right_then {
            return Err(Unplaceable::EarlierTimeline);
        }
        Err(Unplaceable::TooOld)
    }
}

/// PostgreSQL keeps microseconds; so do we from the start, so that what is compared later is equal.
fn to_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

#[cfg(test)]
mod tests;
