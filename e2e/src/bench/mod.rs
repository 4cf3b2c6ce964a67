//! The budgets of the design, measured in one run on one machine that also runs the load generator.
//!
//! - `throughput`: durable ingest beside bare COPY and beside brokers that only acknowledge;
//! - `idle`: memory of the gateway for each device that is connected and says nothing;
//! - `stream`: from the publish at the device to the event in a nurse's stream;
//! - `backlog`: devices that come back after three days, while others publish as always.
//!
//! Each but the phases of the first has a PostgreSQL of its own. What the design asks for is printed at the end beside
//! what was found, met or not; what could not be measured is an error.

mod acks;
mod backlog;
mod copy;
mod copy_file;
mod figures;
mod idle;
mod idle_client;
mod live;
mod meter;
mod open_files;
mod options;
mod peers;
mod report;
mod sight;
mod steps;
mod stream;
mod throughput;
mod verdict;
mod watcher;

use anyhow::{Result, ensure};

use options::Options;

/// Open files for the largest of the phases but that of idle devices, which asks for more.
const FILES: u64 = 8_192;

/// Measures and prints.
pub async fn run(arguments: Vec<String>) -> Result<()> {
    if let Some(port) = peers::port_to_serve(&arguments)? {
        return peers::serve_rumqttd(port).await;
    }
    let options = Options::parse(&arguments)?;
    open_files::raise(FILES)?;
    say("building vigie as it is delivered, making a PostgreSQL ...");
    let mut budgets = throughput::run(&options).await?;
    budgets.extend(idle::run(&options).await?);
    budgets.extend(stream::run(&options).await?);
    budgets.extend(backlog::run(&options).await?);
    ensure!(!budgets.is_empty() || !options.only.is_empty(), "nothing was measured");
    say("\nWhat the design asks for");
    for budget in budgets {
        say(&budget.line());
    }
    Ok(())
}

/// For the person at the terminal.
fn say(text: &str) {
    println!("{text}");
}
