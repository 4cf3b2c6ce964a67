//! Where the time of ingest went: the sums that ingest logs when it ends, as a table.

use anyhow::{Context, Result};
use serde_json::Value;

/// What ingest says when its last writer ends.
const MESSAGE: &str = "ingest ended; where its time went";

/// Steps that are no part of a transaction: other publishes are decoded, and wait, at the same time.
const BESIDE: [&str; 2] = ["decode", "wait"];

/// The sums of one ingest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Steps {
    /// Readings per publish, on average.
    batch: f64,
    /// Name and microseconds per reading, in the order in which a reading meets them.
    steps: Vec<(String, f64)>,
}

impl Steps {
    /// Finds them in the lines that a process logged.
    pub(super) fn of(lines: &[String]) -> Result<Self> {
        let found = lines.iter().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let fields = line.get("fields")?;
            (fields.get("message")?.as_str()? == MESSAGE).then(|| fields.clone())
        });
        let fields = found.context("ingest did not say where its time went")?;
        let number = |name| fields.get(name).and_then(Value::as_f64);
        let (readings, publishes) = number("readings").zip(number("publishes")).context("no sums")?;
        let text = fields.get("microseconds_per_reading").and_then(Value::as_str).context("no steps")?;
        let step = |step: &str| {
            let (name, micros) = step.split_once(' ')?;
            Some((name.to_owned(), micros.parse().ok()?))
        };
        let steps = text.split(", ").map(step).collect::<Option<Vec<_>>>().context("steps that are none")?;
        Ok(Self { batch: readings / publishes, steps })
    }

    /// What a transaction spent per reading, all its steps.
    fn in_transactions(&self) -> f64 {
        let inside = self.steps.iter().filter(|(name, _)| !BESIDE.contains(&name.as_str()));
        inside.map(|(_, micros)| micros).sum()
    }

    /// The names of the columns.
    pub(super) fn head(&self) -> String {
        let names = self.steps.iter().map(|(name, _)| format!(" {name:>11}"));
        format!("{:<28}{}", "", names.collect::<String>())
    }

    /// Microseconds per reading of each step, and its share of the transactions; the wait in milliseconds per publish.
    pub(super) fn line(&self, phase: &str) -> String {
        let all = self.in_transactions();
        let cell = |(name, micros): &(String, f64)| match name.as_str() {
            "wait" => format!(" {:>11}", format!("{:.1} ms", micros * self.batch / 1_000.0)),
            name if BESIDE.contains(&name) => format!(" {micros:>6.2}     "),
            _ => format!(" {micros:>6.2} {:>3.0}%", micros / all * 100.0),
        };
        format!("{phase:<28}{}", self.steps.iter().map(cell).collect::<String>())
    }
}

/// What the columns mean.
pub(super) const LEGEND: &str = "
Microseconds per reading. decode: bytes to checked readings, in the connections' tasks. wait: from there until a writer
takes the publish, in milliseconds per publish. From begin on: the steps of the writers' transactions, with their share
(holders, ledger, check: whose and new or known; values, queue, receipts: the writes; commit with its fsync; answer: the
acknowledgements). Two writers work at the same time.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_ingest_is_read_and_shares_are_of_the_transactions() {
        let line = r#"{"level":"INFO","fields":{"message":"ingest ended; where its time went","readings":1000,"publishes":20,
            "transactions":4,"microseconds_per_reading":"decode 3.00, wait 40.00, ledger 6.00, commit 2.00"}}"#;
        let steps = Steps::of(&["{}".to_owned(), line.to_owned()]).unwrap();
        assert!(steps.head().contains("decode") && steps.head().ends_with("commit"));
        let line = steps.line("phase");
        assert!(line.starts_with("phase "), "{line}");
        let cells: Vec<_> = line.split_whitespace().skip(1).collect();
        assert_eq!(cells, ["3.00", "2.0", "ms", "6.00", "75%", "2.00", "25%"]);
        assert!(Steps::of(&[]).is_err());
    }
}
