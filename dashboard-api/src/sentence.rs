//! The reason of an alert on record in one sentence.

use jiff::Timestamp;
use vigie_store::alert_work::Alert;
use vigie_words::sentences::{self, Reason, Told};

use crate::text::Texts;

pub(crate) fn reason(alert: &Alert, now: Timestamp, texts: Texts) -> Reason {
    let told = Told {
        worst: &alert.worst,
        spec: alert.spec.as_ref(),
        condition: alert.condition,
        last_reading_at: alert.last_reading_at,
        zone: &sentences::zone_of(&alert.time_zone),
    };
    sentences::reason(told, now, texts)
}

#[cfg(test)]
#[path = "sentence_tests.rs"]
mod tests;
