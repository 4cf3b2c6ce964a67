//! The commands, one file each.

mod ca;
mod config;
mod conformance_broker;
mod demo;
mod device;
mod healthcheck;
mod integration;
mod metrics;
mod migrate;
mod patient;
mod practice;
mod report;
mod serve;
mod sim;
mod user;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Everything on this machine, with simulated patients: no configuration needed
    Demo(demo::Arguments),
    /// Run roles against DATABASE_URL
    Serve(serve::Arguments),
    /// Bring the database up to date
    Migrate(migrate::Arguments),
    /// Register patients
    #[command(subcommand)]
    Patient(patient::Action),
    /// The certificate authority of devices and listeners
    #[command(subcommand)]
    Ca(ca::Action),
    /// Enrol devices, and withdraw them
    #[command(subcommand)]
    Device(device::Action),
    /// Programs that read what the devices of a territory send
    #[command(subcommand)]
    Integration(integration::Action),
    /// Who receives reports
    #[command(subcommand)]
    Practice(practice::Action),
    /// Weekly reports as files; the activity extract
    #[command(subcommand)]
    Report(report::Action),
    /// Add accounts
    #[command(subcommand)]
    User(user::Action),
    /// Simulate patients and devices against a running Vigie
    Sim(sim::Arguments),
    /// Compute the clinical metrics of a file of readings
    #[command(subcommand)]
    Metrics(metrics::Action),
    /// Tell whether a role works (exit status 0 or 1), for container health checks
    Healthcheck(healthcheck::Arguments),
    /// An open MQTT server on this machine, for conformance suites: it protects and stores nothing
    ConformanceBroker(conformance_broker::Arguments),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::Action),
}

impl Command {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Demo(arguments) => demo::run(arguments).await,
            Self::Serve(arguments) => serve::run(arguments).await,
            Self::Migrate(arguments) => migrate::run(arguments).await,
            Self::Patient(action) => patient::run(action).await,
            Self::Ca(action) => ca::run(action).await,
            Self::Device(action) => device::run(action).await,
            Self::Integration(action) => integration::run(action).await,
            Self::Practice(action) => practice::run(action).await,
            Self::Report(action) => report::run(action).await,
            Self::User(action) => user::run(action).await,
            Self::Sim(arguments) => sim::run(arguments).await,
            Self::Metrics(action) => metrics::run(action),
            Self::Healthcheck(arguments) => healthcheck::run(arguments).await,
            Self::ConformanceBroker(arguments) => conformance_broker::run(arguments).await,
            Self::Config(action) => config::run(action),
        }
    }
}

/// Writes the answer of a command to standard output.
pub(crate) fn answer(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}
