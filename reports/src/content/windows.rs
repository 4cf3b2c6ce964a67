//! How far back a report looks, by vital sign.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vigie_store::reports::record::Wanted;
use vigie_vitals::metrics::inr::GAP_DAYS_MAX;
use vigie_vitals::{PatientId, Vital};

use super::Week;

/// Days of a sensor's profile, as the targets ask for \[TIR\].
pub(super) const PROFILE_DAYS: i64 = 14;

/// Weeks over which time in therapeutic range is told (setting): half a year, the stretch over which poor control is
/// judged (memory, DOMAIN 2.3), and long enough for tests that are weeks apart.
pub(super) const INR_WEEKS: i64 = 26;

/// Weeks of the weight's curve: the baseline of 28 days \[HF-CUBA\].
pub(super) const WEIGHT_WEEKS: i64 = 4;

/// The widest window of the shipped weight rules, 8 days (DOMAIN 2.4), so that the first day of the baseline has its
/// own reference.
const WEIGHT_REACH_DAYS: i64 = 8;

/// Every vital sign is compared with the week before.
const WEEKS: i64 = 2;

/// A day on top of every window, for zones whose days are longer than others and for clocks that were corrected.
const MARGIN_DAYS: i64 = 1;

/// What a report of this week needs of the patient's record.
pub fn wanted(patient: PatientId, week: Week, zone: &TimeZone, known_at: Timestamp) -> Wanted {
    wanted_between(patient, week.start(zone), week.end(zone), known_at)
}

/// The same for a week given by its two ends.
///
/// All thirteen vital signs are wanted whatever the care plan: a fingerstick of a patient with a sensor belongs in the
/// report. Each window holds what this week's figures need and the same a week earlier, for comparison.
pub fn wanted_between(patient: PatientId, from: Timestamp, to: Timestamp, known_at: Timestamp) -> Wanted {
    let since = Vital::ALL.into_iter().map(|vital| (vital, earlier(to, reach_days(vital)))).collect();
    Wanted { patient, from, to, known_at, since }
}

/// Days before the end of the week.
fn reach_days(vital: Vital) -> i64 {
    let days = match vital {
        Vital::GlucoseInterstitial => PROFILE_DAYS + 7,
        // A line may begin at the last test before the window, as far back as it would still be drawn.
        Vital::Inr => 7 * (INR_WEEKS + 1) + GAP_DAYS_MAX,
        Vital::Weight => 7 * (WEIGHT_WEEKS + 1) + WEIGHT_REACH_DAYS,
        Vital::Glucose
        | Vital::Systolic
        | Vital::Diastolic
        | Vital::Pulse
        | Vital::Spo2
        | Vital::Temperature
        | Vital::RespiratoryRate
        | Vital::Fev1
        | Vital::PeakFlow
        | Vital::SymptomScore => 7 * WEEKS,
    };
    days + MARGIN_DAYS
}

fn earlier(at: Timestamp, days: i64) -> Timestamp {
    at.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN)
}
