//! The one binary of Vigie. Each command is a file in `commands/`; this one only chooses.

mod authority;
mod commands;
mod config;
mod device_commands;
mod gateway;
mod http_intake;
mod locate;
mod services;
mod telling;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Command;
use crate::usage::Usage;

/// Exit status of bad usage or configuration (sysexits.h EX_USAGE).
const EXIT_USAGE: u8 = 64;

/// Vigie: somebody is looking.
#[derive(Debug, Parser)]
#[command(name = "vigie", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let wanted_help = !error.use_stderr();
            if error.print().is_err() {
                return ExitCode::FAILURE;
            }
            return if wanted_help { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("no runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(arguments.command.run()) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("{error:#}"));
            let usage = error.chain().any(|cause| cause.is::<Usage>());
            if usage { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// One sentence for the person at the terminal.
#[expect(clippy::print_stderr, reason = "this is the terminal")]
fn say(sentence: &str) {
    eprintln!("vigie: {sentence}");
}
