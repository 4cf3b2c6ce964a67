//! What documents cost: measured on demand, in a release build.

use std::time::Instant;

use vigie_charts::Locale;
use vigie_reports::document;
use vigie_typeset::Typesetter;

use crate::document_support as support;

/// Resident memory in MB, as the kernel counts it.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

/// `VIGIE_DOCUMENTS_TIMED=300 cargo test --release -p vigie-reports --test it timed -- --nocapture`
#[test]
fn documents_are_timed_and_their_memory_is_told_when_a_count_is_given() {
    let Some(count) = std::env::var("VIGIE_DOCUMENTS_TIMED").ok().and_then(|count| count.parse::<u32>().ok())
    else {
        return;
    };
    let typesetter = Typesetter::new();
    let reports = support::all();
    for (name, report) in &reports {
        document::pdf(report, Locale::Fr, &typesetter).unwrap();
        let rounds = 10;
        let start = Instant::now();
        for _ in 0..rounds {
            document::pdf(report, Locale::Fr, &typesetter).unwrap();
        }
        let pdf = start.elapsed() / rounds;
        let start = Instant::now();
        for _ in 0..rounds {
            document::html(report, Locale::Fr).unwrap();
        }
        println!("{name}: PDF {pdf:.1?}, HTML {:.1?}", start.elapsed() / rounds);
    }
    println!("resident before: {} MB", resident());
    let start = Instant::now();
    for n in 0..count {
        // Each report is another one: nothing is the same twice but the template.
        let mut report = reports[n as usize % 4].1.clone();
        report.patient.identifier = format!("P-{n}");
        let locale = if n % 2 == 0 { Locale::Fr } else { Locale::En };
        document::pdf(&report, locale, &typesetter).unwrap();
        if n % 50 == 49 {
            println!("after {}: {} MB", n + 1, resident());
        }
    }
    println!("{count} reports of the four care plans in {:.1?}", start.elapsed());
}
