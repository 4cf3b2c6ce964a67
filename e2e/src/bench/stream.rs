//! From the publish at the device to the event in the nurse's stream, at a steady rate.

use std::time::Duration;

use anyhow::Result;
use jiff::SignedDuration;
use vigie_device_sim::LoadVital;
use vigie_service::Clock;
use vigie_vitals::plans::CarePlan;

use super::figures::{Budget, summary};
use super::live::{Live, Running, judged, pubacks, published};
use super::options::Options;
use super::sight::sights;
use super::{say, watcher};
use crate::stand::{Group, Profile, Stand};

/// The name of the phase.
pub(super) const NAME: &str = "event stream";

/// Each publishes every two seconds.
const DEVICES: usize = 2_000;
const PER_SECOND: f64 = 1_000.0;
const LONG: Duration = Duration::from_secs(25);
/// Readings of the first seconds are not in the times: devices log in, and catch up with their rhythm.
const WARM_UP: Duration = Duration::from_secs(5);

/// Publishes, follows, and compares.
pub(super) async fn run(options: &Options) -> Result<Vec<Budget>> {
    if !options.chosen(NAME) {
        return Ok(Vec::new());
    }
    let stand = Stand::start(Profile::Release, &[]).await?;
    let clock = Clock::system();
    let group = Group {
        name: "live",
        count: DEVICES,
        plan: CarePlan::Diabetes,
        vital: LoadVital::Glucose,
        since: clock.now() - SignedDuration::from_hours(2),
    };
    let devices = stand.add(group).await?;
    let (live, watcher) = Live::start(&stand).await?;
    let began = clock.now().as_microsecond();
    let config = live.steady("acknowledged-live", &devices, PER_SECOND, LONG);
    let (report, acked) = Running::start(config)?.end().await?;
    judged(&stand, "true").await?;
    let seen = watcher.finish(&stand).await?;
    live.stop().await?;

    let sights = sights(&published(&acked), &watcher::readings(&seen));
    let from = began + i64::try_from(WARM_UP.as_micros())?;
    let (mut pubacks, mut times) = (pubacks(&acked, from, i64::MAX), sights.between(from, i64::MAX));
    say(&format!(
        "\n{NAME}: {} readings of {DEVICES} devices at {:.0} a second (asked for {PER_SECOND:.0}), those of the first {WARM_UP:?} \
         not in the times\n  publish to PUBACK   {}\n  publish to event    {}\n  {} readings without an event, {} patients with \
         fewer events than readings",
        report.readings,
        report.readings as f64 / LONG.as_secs_f64(),
        summary(&mut pubacks),
        summary(&mut times),
        sights.missing,
        sights.shared,
    ));
    Ok(vec![
        Budget::p99_below("publish to event stream, 1,000 readings/s, p99", "below 150 ms", &mut times, 150),
        Budget::none("readings that the event stream never told", sights.missing),
    ])
}
