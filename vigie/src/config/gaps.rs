//! When Vigie asks a device for numbers that never arrived. docs/gaps.md explains each.

use anyhow::Result;
use jiff::SignedDuration;
use vigie_ingest::gaps::Settings;

use super::{Get, number};

/// Keys of the file that are read here.
pub(super) const KEYS: [&str; 2] = ["gaps_after_seconds", "gaps_tries"];

/// A week: whatever is under way out of order has come by then.
const AFTER_SECONDS_MAX: usize = 7 * 24 * 3_600;

pub(super) fn read(get: &Get<'_>) -> Result<Settings> {
    let usual = Settings::default();
    let after = number(get, "gaps_after_seconds", usual.after.as_secs(), 0, AFTER_SECONDS_MAX)?;
    let tries = number(get, "gaps_tries", usual.tries, 1, 20)?;
    Ok(Settings { after: SignedDuration::from_secs(i64::try_from(after)?), tries: i32::try_from(tries)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_and_a_wrong_value_names_its_variable() {
        for key in KEYS {
            let get =
                |wanted: &str, default: &str| if wanted == key { "much".into() } else { default.to_owned() };
            let error = read(&get).unwrap_err().to_string();
            assert!(error.contains(&format!("VIGIE_{}", key.to_uppercase())), "{error}");
        }
        assert_eq!(read(&|_, default| default.to_owned()).unwrap(), Settings::default());
    }
}
