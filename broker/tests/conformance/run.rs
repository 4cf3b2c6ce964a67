//! Runs a case and compares its end with what is expected of it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::server::TARGET;

/// A file of expected failures in place of ours, for runs against another server.
const EXPECTED: &str = "VIGIE_CONFORMANCE_EXPECTED";

/// No case takes as long as this.
const CASE_LIMIT: Duration = Duration::from_secs(60);

/// Names and reasons of the cases that are expected to fail: `name | reason`.
pub(crate) fn expected_failures() -> Vec<(String, String)> {
    let text = match (std::env::var(EXPECTED), std::env::var(TARGET)) {
        (Ok(path), _) => std::fs::read_to_string(path).unwrap(),
        (Err(_), Ok(_)) => String::new(),
        (Err(_), Err(_)) => include_str!("expected_failures.txt").to_owned(),
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, reason) = line.split_once('|').expect("name | reason");
            (name.trim().to_owned(), reason.trim().to_owned())
        })
        .collect()
}

/// Fails if the case fails, or if it passes although a failure is expected.
pub(crate) fn run(name: &str, case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limited = async {
        tokio::time::timeout(CASE_LIMIT, case).await.expect("the case took too long");
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(limited)));
    let expected = expected_failures().into_iter().find(|(each, _)| each == name);
    match (outcome, expected) {
        (Ok(()), None) => {}
        (Err(_), Some((_, reason))) => println!("expected failure: {reason}"),
        (Ok(()), Some(_)) => panic!("{name} passes: take it off the list of expected failures"),
        (Err(cause), None) => std::panic::resume_unwind(cause),
    }
}
