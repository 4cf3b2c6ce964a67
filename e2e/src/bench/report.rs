//! The table of the phases of durable ingest.

use std::time::Duration;

use vigie_device_sim::LoadReport;

use super::meter::Used;

/// What the columns mean.
pub(super) const LEGEND: &str = "
ratio: to COPY on one connection. p50, p99: from the publish to its PUBACK. rows/txn, txn/s: transactions that write, of
all processes. server, postgr., load: processor time per row of Vigie (or of the broker that only acknowledges), of
PostgreSQL, of the load generator. idle, other: share of all processors that nobody used, and that other programs used:
with much of it, the rates are those of a smaller machine and only the times per row count.";

/// The names of the columns.
pub(super) fn head() -> String {
    format!(
        "\n{:<28} {:>7} {:>6} {:>9} {:>9} {:>9} {:>6} {:>8} {:>8} {:>8} {:>8} {:>5} {:>6}",
        "",
        "rows/s",
        "ratio",
        "p50",
        "p99",
        "rows/txn",
        "txn/s",
        "server",
        "postgr.",
        "load",
        "WAL/row",
        "idle",
        "other"
    )
}

/// A line without us.
pub(super) fn bare(name: &str, rate: f64, alone: f64) -> String {
    format!("{name:<28} {rate:>7.0} {:>6.3}", rate / alone)
}

/// A line through Vigie.
pub(super) fn line(name: &str, report: &LoadReport, used: &Used, alone: f64) -> String {
    let rows = report.acknowledged_readings as f64;
    let (per_txn, per_second) = (rows / used.transactions, used.transactions / used.seconds);
    let wal = format!("{:.0} B", used.wal_bytes / rows);
    let database = [format!("{per_txn:.0}"), format!("{per_second:.0}"), wal];
    cells(name, report, used, alone, database)
}

/// A line of a broker that only acknowledges: it has no database.
pub(super) fn peer_line(name: &str, report: &LoadReport, used: &Used, alone: f64) -> String {
    cells(name, report, used, alone, ["-", "-", "-"].map(str::to_owned))
}

fn cells(
    name: &str,
    report: &LoadReport,
    used: &Used,
    alone: f64,
    [per_txn, per_second, wal]: [String; 3],
) -> String {
    let rows = report.acknowledged_readings as f64;
    let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1_000.0);
    let per_row = |seconds: f64| format!("{:.1} us", seconds * 1e6 / rows);
    let machine = used.seconds * used.processors;
    format!(
        "{} {:>9} {:>9} {per_txn:>9} {per_second:>6} {:>8} {:>8} {:>8} {wal:>8} {:>4.0}% {:>5.0}%",
        bare(name, report.readings_per_second(), alone),
        millis(report.latency.p50),
        millis(report.latency.p99),
        per_row(used.server),
        per_row(used.postgresql),
        per_row(used.generator),
        used.idle / machine * 100.0,
        (machine - used.idle - used.server - used.postgresql - used.generator) / machine * 100.0,
    )
}
