//! Limits of ingest. Each says what happens when it is hit.

use jiff::SignedDuration;

/// Settings of ingest; [`Config::default`] is what the documentation tells.
#[derive(Debug, Clone)]
pub struct Config {
    /// Payload above which a message goes to quarantine unread (1 MiB).
    pub payload_bytes_max: usize,
    /// Payload bytes that may wait for the database (64 MiB; one half for what has just been measured, one for backlogs).
    /// Over it, publishes wait: devices are slowed.
    pub waiting_bytes_max: usize,
    /// Publishes that may wait for the database (8,192; shared out evenly among the writers, and half and half as above).
    /// Over it, publishes wait: devices are slowed.
    pub waiting_publishes_max: usize,
    /// Most publishes in one transaction (1,000); the rest goes into the next.
    pub group_publishes_max: usize,
    /// Most readings in one transaction (1,000), give or take the last publish; the rest goes into the next. It bounds how
    /// long a reading waits behind others.
    pub group_rows_max: usize,
    /// A publish with more readings than this (10) is a backlog: it yields to others, and has a quarter of each
    /// transaction for sure.
    pub prompt_readings_max: usize,
    /// The same if its newest reading is older than this when it comes (15 min).
    pub prompt_age_max: SignedDuration,
    /// Transactions that may be under way at once (2). Each device belongs to one of these writers.
    pub writers: usize,
    /// A device clock that is proven wrong by more than this when it sends is corrected by the difference (2 min;
    /// docs/clock.md). Less is the time under way, and two clocks that are both good.
    pub clock_tolerance: SignedDuration,
    /// A corrected time further in the future than this is refused (5 min; HL7 PHD practice, DOMAIN 3.3).
    pub future_max: SignedDuration,
    /// A reading older than this cannot be placed, its clock is lost (two years).
    pub age_max: SignedDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            payload_bytes_max: 1 << 20,
            waiting_bytes_max: 64 << 20,
            waiting_publishes_max: 8_192,
            group_publishes_max: 1_000,
            group_rows_max: 1_000,
            prompt_readings_max: 10,
            prompt_age_max: SignedDuration::from_mins(15),
            writers: 2,
            clock_tolerance: SignedDuration::from_mins(2),
            future_max: SignedDuration::from_mins(5),
            age_max: SignedDuration::from_hours(2 * 366 * 24),
        }
    }
}
