//! SenML times: seconds, counted from 1970 or, below 2^28, from now.

use super::Fault;
use super::decimal::Decimal;

/// A time of less than 2^28 seconds (about eight and a half years) is relative to the time of arrival.
const RELATIVE_BELOW_NANOS: i128 = (1 << 28) * NANOS;
const NANOS: i128 = 1_000_000_000;

/// Year 9999, the last that RFC 3339 can write.
const LAST_SECOND: i128 = 253_402_300_799;

pub(super) const OUT_OF_RANGE: Fault =
    Fault { code: "senml_time", reason: "the time is no time that can be written" };

/// The time as RFC 3339 in UTC, and whether it was relative to `now` (nanoseconds since 1970).
pub(super) fn resolve(time: Decimal, now: i128) -> Result<(String, bool), Fault> {
    let nanos = time.nanos().ok_or(OUT_OF_RANGE)?;
    let relative = nanos < RELATIVE_BELOW_NANOS;
    let absolute = if relative { now.checked_add(nanos).ok_or(OUT_OF_RANGE)? } else { nanos };
    Ok((rfc3339(absolute).ok_or(OUT_OF_RANGE)?, relative))
}

/// `None` outside of the years 1970 to 9999.
fn rfc3339(nanos: i128) -> Option<String> {
    let second = nanos.div_euclid(NANOS);
    if !(0..=LAST_SECOND).contains(&second) {
        return None;
    }
    let (days, of_day) = (second / 86_400, second % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let fraction = match nanos.rem_euclid(NANOS) {
        0 => String::new(),
        nanos => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
    };
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}

/// The Gregorian date of a day counted from 1970-01-01, by eras of 400 years that begin on the first of March.
fn civil(days: i128) -> (i128, i128, i128) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i128::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_time_is_written_as_a_calendar_library_writes_it(
            second in 0i64..253_402_207_200, nanos in 0i32..1_000_000_000
        ) {
            let expected = jiff::Timestamp::new(second, nanos).unwrap();
            let written = rfc3339(i128::from(second) * NANOS + i128::from(nanos)).unwrap();
            prop_assert_eq!(written, expected.to_string());
        }
    }
}
