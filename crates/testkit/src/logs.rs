//! Every test run fails on an unexpected WARN or ERROR line: [`watch`] writes such lines to the real
//! standard error with a mark that `scripts/test.sh` counts as a failure.

use std::io::Write;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

static EXPECTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What marks an unexpected line in the output of a test run.
pub const MARK: &str = "UNEXPECTED LOG LINE";

/// Watches the log of this process from now on. Calling it again changes nothing.
pub fn watch() {
    drop(tracing_subscriber::registry().with(Watcher).try_init());
}

/// A test that provokes a warning says so: lines that contain `text` are expected in this process.
pub fn expect(text: &str) {
    watch();
    EXPECTED.lock().unwrap().push(text.to_owned());
}

struct Watcher;

impl<S: Subscriber> Layer<S> for Watcher {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > Level::WARN || !event.metadata().target().starts_with("vigie") {
            return;
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        if EXPECTED.lock().unwrap().iter().any(|expected| line.0.contains(expected)) {
            return;
        }
        // Not eprintln!: the test harness would swallow it when the test passes.
        let line = format!("{MARK}: {level} {}: {}\n", event.metadata().target(), line.0);
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write as _;
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}
