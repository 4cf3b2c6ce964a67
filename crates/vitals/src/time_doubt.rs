//! Doubts about *when* a reading was measured. Such a reading is stored and judged like any other, at the time that it
//! was given, and says how it came by it.

use serde::{Deserialize, Serialize};

/// How the time of a reading is less than the plain word of a clock that was right (docs/clock.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeDoubt {
    /// Counted from the arrival: sent again, the same bytes tell another time, and the first one stays.
    Relative,
    /// The device gave no time; that of the arrival was taken.
    OfArrival,
    /// Moved, because the device's clock was wrong by a known amount when it sent.
    Corrected,
    /// The device says, or its clock shows, that it was not set.
    Unsynchronised,
    /// Not moved, though something does not fit: the message was under way for long, or the clock is wrong.
    Unproven,
    /// The moment is known, the wearer's local time is not (`-00:00`, RFC 3339 section 4.3).
    OffsetUnknown,
}

impl TimeDoubt {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Relative,
        Self::OfArrival,
        Self::Corrected,
        Self::Unsynchronised,
        Self::Unproven,
        Self::OffsetUnknown,
    ];

    /// The flag that is stored with the reading.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relative => "time_relative",
            Self::OfArrival => "time_of_arrival",
            Self::Corrected => "clock_corrected",
            Self::Unsynchronised => "clock_unsynchronised",
            Self::Unproven => "clock_unproven",
            Self::OffsetUnknown => "offset_unknown",
        }
    }
}
