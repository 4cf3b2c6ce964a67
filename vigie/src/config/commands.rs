//! How long commands to devices live, and when Vigie asks for one by itself. docs/device-commands.md explains each.

use anyhow::Result;
use jiff::SignedDuration;
use vigie_store::clocks::AskToSet;
use vigie_store::commands::Lives;

use super::{Get, number};
use crate::usage::usage;

/// Keys of the file that are read here.
pub(super) const KEYS: [&str; 6] = [
    "set_clock_life_hours",
    "repeat_measure_life_hours",
    "send_again_life_hours",
    "show_message_life_hours",
    "set_clock_beyond_minutes",
    "set_clock_every_hours",
];

/// Most hours that a command may live: a month.
const LIFE_HOURS_MAX: usize = 31 * 24;

/// A device that never fetched the last one is asked again after this many times the usual pause.
const PAUSES_IF_NEVER_FETCHED: i32 = 30;

/// Settings of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commands {
    pub(crate) lives: Lives,
    /// Absent: staff ask, Vigie does not.
    pub(crate) ask_to_set_clock: Option<AskToSet>,
}

impl Commands {
    pub(super) fn read(get: &Get<'_>) -> Result<Self> {
        let whole = |key: &str, default: i64, least: usize, most: usize| -> Result<i64> {
            Ok(i64::try_from(number(get, key, default, least, most)?)?)
        };
        let life = |key: &str, usual: SignedDuration| -> Result<SignedDuration> {
            Ok(SignedDuration::from_hours(whole(key, usual.as_hours(), 1, LIFE_HOURS_MAX)?))
        };
        let usual = Lives::default();
        let lives = Lives {
            set_clock: life("set_clock_life_hours", usual.set_clock)?,
            repeat_measure: life("repeat_measure_life_hours", usual.repeat_measure)?,
            send_again: life("send_again_life_hours", usual.send_again)?,
            show_message: life("show_message_life_hours", usual.show_message)?,
        };
        // 0 switches it off; below the tolerance of ingest (2 minutes) nothing is ever proven.
        let minutes = whole("set_clock_beyond_minutes", 10, 0, 7 * 24 * 60)?;
        if minutes == 1 {
            return Err(usage(
                "VIGIE_SET_CLOCK_BEYOND_MINUTES is 0 (never) or at least 2: less is never proven of a clock",
            ));
        }
        let every = SignedDuration::from_hours(whole("set_clock_every_hours", 24, 1, LIFE_HOURS_MAX)?);
        let ask_to_set_clock = (minutes > 0).then_some(AskToSet {
            beyond: SignedDuration::from_mins(minutes),
            every,
            every_if_never_fetched: every.saturating_mul(PAUSES_IF_NEVER_FETCHED),
            life: lives.set_clock,
        });
        Ok(Self { lives, ask_to_set_clock })
    }

    /// As the documentation tells, whatever the environment says.
    pub(crate) fn usual() -> Result<Self> {
        Self::read(&|_, default| default.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, text: &str) -> Result<Commands> {
        Commands::read(&|wanted, default| if wanted == key { text.to_owned() } else { default.to_owned() })
    }

    #[test]
    fn without_settings_the_defaults_hold() {
        let commands = Commands::usual().unwrap();
        assert_eq!(commands.lives, Lives::default());
        let ask = commands.ask_to_set_clock.unwrap();
        assert_eq!((ask.beyond.as_mins(), ask.every.as_hours(), ask.life.as_hours()), (10, 24, 24));
    }

    #[test]
    fn every_key_is_read_and_a_wrong_value_names_its_variable() {
        for key in KEYS {
            for text in ["soon", "-1", "999999"] {
                let error = read(key, text).unwrap_err().to_string();
                assert!(error.contains(&format!("VIGIE_{}", key.to_uppercase())), "{error}");
            }
            assert_ne!(read(key, "3").unwrap(), Commands::usual().unwrap(), "{key} changes something");
        }
    }

    #[test]
    fn vigie_asks_nobody_when_that_is_switched_off_and_never_below_what_can_be_proven() {
        assert_eq!(read("set_clock_beyond_minutes", "0").unwrap().ask_to_set_clock, None);
        let error = read("set_clock_beyond_minutes", "1").unwrap_err().to_string();
        assert!(error.contains("VIGIE_SET_CLOCK_BEYOND_MINUTES"), "{error}");
    }
}
