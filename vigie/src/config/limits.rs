//! What a device may do, and how many log-ins are checked at once. docs/limits.md explains each.

use anyhow::Result;
use vigie_broker::{FanoutSettings, Limits, Rate};
use vigie_ingest::gaps;

use super::{Get, number};
use crate::usage::usage;

/// Keys of the file that are read here.
pub(super) const KEYS: [&str; 11] = [
    "limit_connections",
    "limit_packet_bytes",
    "limit_in_flight",
    "limit_bytes_in_flight",
    "limit_publishes_per_minute",
    "limit_payload_bytes_per_minute",
    "limit_connects_per_minute",
    "limit_subscriptions",
    "limit_log_in_checks",
    "limit_log_in_queue",
    "limit_integrations",
];

/// Bounds of the gateway.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds {
    pub(crate) listener: Limits,
    pub(crate) fanout: FanoutSettings,
    pub(crate) gaps: gaps::Settings,
}

impl Bounds {
    pub(super) fn read(get: &Get<'_>) -> Result<Self> {
        // 0 switches a rate off.
        let rate = |key: &str, default: usize| -> Result<Rate> {
            Ok(Rate::per_minute(u32::try_from(number(get, key, default, 0, 4_000_000_000)?)?))
        };
        let usual = Limits::default();
        let listener = Limits {
            connections_max: number(get, "limit_connections", usual.connections_max, 1, 1_000_000)?,
            packet_bytes_max: number(get, "limit_packet_bytes", usual.packet_bytes_max, 65_536, 268_435_456)?,
            in_flight: u16::try_from(number(
                get,
                "limit_in_flight",
                usize::from(usual.in_flight),
                1,
                65_535,
            )?)?,
            bytes_in_flight_max: number(
                get,
                "limit_bytes_in_flight",
                usual.bytes_in_flight_max,
                65_536,
                1 << 40,
            )?,
            publishes_per_minute: rate("limit_publishes_per_minute", 6_000)?,
            payload_bytes_per_minute: rate("limit_payload_bytes_per_minute", 64 * 1024 * 1024)?,
            connects_per_minute: rate("limit_connects_per_minute", 30)?,
            subscriptions_max: number(get, "limit_subscriptions", usual.subscriptions_max, 1, 10_000)?,
            log_in_checks_max: number(get, "limit_log_in_checks", usual.log_in_checks_max, 1, 1_000)?,
            log_in_queue_max: number(get, "limit_log_in_queue", usual.log_in_queue_max, 0, 1_000_000)?,
            ..usual
        };
        listener.check().map_err(|error| usage(format!("VIGIE_LIMIT_*: {error}")))?;
        let usual = FanoutSettings::default();
        let subscribers_max = number(get, "limit_integrations", usual.subscribers_max, 0, 1_000)?;
        let fanout = FanoutSettings { subscribers_max, ..usual };
        Ok(Self { listener, fanout, gaps: super::gaps::read(get)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, text: &str) -> Result<Bounds> {
        Bounds::read(&|wanted, default| if wanted == key { text.to_owned() } else { default.to_owned() })
    }

    #[test]
    fn the_defaults_are_those_of_the_listener() {
        let bounds = read("", "").unwrap();
        assert_eq!(format!("{:?}", bounds.listener), format!("{:?}", Limits::default()));
    }

    #[test]
    fn every_key_is_read_and_a_wrong_value_names_its_variable() {
        for key in KEYS {
            let error = read(key, "many").unwrap_err().to_string();
            assert!(error.contains(&format!("VIGIE_{}", key.to_uppercase())), "{error}");
        }
    }

    #[test]
    fn limits_that_do_not_fit_together_are_refused() {
        let error = read("limit_bytes_in_flight", "65536").unwrap_err().to_string();
        assert!(error.contains("bytes_in_flight_max"), "{error}");
    }
}
